/** Lines of several processes on one pipe. */
import t from 'tap'
import { Writable } from 'node:stream'
import { wholeLines } from '../../src/logging/whole-lines.ts'

/** A pipe that takes what it is given, or waits until it is read. */
const createPipe = () => {
  const writes: string[] = []
  const waiting: (() => void)[] = []
  let isFull = false
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      writes.push(chunk.toString())
      if (isFull) waiting.push(done)
      else done()
    },
    writev(chunks, done) {
      writes.push(chunks.map(({ chunk }) => String(chunk)).join(''))
      done()
    },
  })
  return {
    stream,
    writes,
    fill: () => (isFull = true),
    read: async () => {
      waiting.shift()?.()
      for (let turn = 0; turn < 5; turn += 1) await new Promise(setImmediate)
    },
  }
}

const line = (length: number, letter: string): string => `${letter.repeat(length - 1)}\n`

t.test('no write is longer than what a pipe keeps together, but for a line that is', async (t) => {
  const { stream, writes } = createPipe()
  const lines = wholeLines(stream)
  lines.write(line(4_000, 'a') + line(96, 'b') + line(1, 'c') + line(5_000, 'd') + line(9, 'e'))
  lines.write(line(4_096, 'f') + 'g'.repeat(4_097))
  t.same(writes, [
    line(4_000, 'a') + line(96, 'b'),
    line(1, 'c'),
    line(5_000, 'd'),
    line(9, 'e'),
    line(4_096, 'f'),
    'g'.repeat(4_097),
  ])
})

t.test('a reader that is slow gets one write after the other', async (t) => {
  const { stream, writes, fill, read } = createPipe()
  const lines = wholeLines(stream)
  fill()
  lines.write(line(4_000, 'a') + line(4_000, 'b'))
  lines.write(line(10, 'c'))
  t.same(writes, [line(4_000, 'a')])
  await read()
  await read()
  await read()
  t.same(writes, [line(4_000, 'a'), line(4_000, 'b'), line(10, 'c')])
})

t.test('a reader that is gone ends nothing', async (t) => {
  const stream = new Writable({ write: (_chunk, _encoding, done) => done(new Error('EPIPE')) })
  const lines = wholeLines(stream)
  lines.write(line(4_000, 'a') + line(4_000, 'b'))
  await new Promise((resolve) => {
    lines.write('', resolve)
  })
  t.ok(stream.destroyed)
})
