/**
 * Log lines on their way out of the process, without secrets. Many lines are looked through at once,
 * which costs a fraction of looking through each.
 */
import { Writable } from 'node:stream'
import type { Redactor } from './redaction.ts'

/**
 * @param stream its errors are swallowed from now on: a reader that is gone is nobody's business here
 * @returns takes whole lines, any number of them at once
 */
export const redactedLines = (stream: Writable, redactor: Redactor): Writable => {
  stream.on('error', () => {})
  return new Writable({
    decodeStrings: false,
    write(lines: string | Buffer, _encoding, done) {
      stream.write(redactor.redact(String(lines)), () => {
        if (waits) done()
      })
      // At once as long as the reader keeps up, else one after the other.
      const waits = stream.writableLength > 0
      if (!waits) done()
    },
  })
}
