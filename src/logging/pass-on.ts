/** How lines are handed to a stream: at once as long as its reader keeps up, else one after the other. */
import type { Writable } from 'node:stream'

/**
 * @param done called once the lines have gone through, if they did not at once
 * @returns whether they went through at once
 */
export const passOn = (stream: Writable, lines: string | Buffer, done: () => void): boolean => {
  stream.write(lines, () => {
    if (waits) done()
  })
  const waits = stream.writableLength > 0
  return !waits
}
