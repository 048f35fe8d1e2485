/**
 * A pipe that several processes write to: their lines stay whole, because a write of at most PIPE_BUF
 * bytes is never mixed with another one (POSIX.1-2024, write). A line that is longer is written alone
 * and may be torn, if the pipe is full at that moment.
 */
import { Writable } from 'node:stream'
import { passOn } from './pass-on.ts'

/** Of Linux; other systems promise less, but keep the same for what is usual in a log. */
const PIPE_BUF = 4_096

const NEWLINE = 0x0a

/** @returns the end of the lines from `start` on that fit together into one write */
const endOf = (batch: Buffer, start: number): number => {
  if (batch.length - start <= PIPE_BUF) return batch.length
  const last = batch.lastIndexOf(NEWLINE, start + PIPE_BUF - 1)
  if (last >= start) return last + 1
  const next = batch.indexOf(NEWLINE, start)
  return next === -1 ? batch.length : next + 1
}

/** Everything goes through at once, as long as the reader keeps up. */
export const wholeLines = (stream: Writable): Writable => {
  // A reader that is gone is nobody's business here.
  stream.on('error', () => {})
  const write = (batch: Buffer, done: () => void): void => {
    for (let start = 0; start < batch.length;) {
      const end = endOf(batch, start)
      const goOn = (): void => write(batch.subarray(end), done)
      // Two that wait would be written together.
      if (!passOn(stream, batch.subarray(start, end), goOn)) return
      start = end
    }
    done()
  }
  return new Writable({ write: (batch: Buffer, _encoding, done) => write(batch, done) })
}
