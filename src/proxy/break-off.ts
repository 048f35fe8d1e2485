/** The end of an answer that cannot be completed: its connection closes, so that the caller can tell. */
import type { ServerResponse } from 'node:http'

/**
 * In its turn: answers to earlier requests of the connection go out whole. Node 24 closes a response
 * that is destroyed before its turn, but not the connection, on which the caller would wait for ever.
 */
export const breakOff = (response: ServerResponse): void => {
  if (response.socket === null) response.once('socket', () => response.destroy())
  else response.destroy()
}
