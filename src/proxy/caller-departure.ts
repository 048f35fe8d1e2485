/** Tells whoever waits on behalf of a caller that the caller does not wait any more. */
import type { ServerResponse } from 'node:http'

/** @returns a signal that is aborted when the connection closes, or the answer is complete */
export const departureOf = (response: ServerResponse): AbortSignal => {
  const left = new AbortController()
  response.once('close', () => left.abort())
  return left.signal
}
