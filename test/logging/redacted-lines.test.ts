import { Writable } from 'node:stream'
import t from 'tap'
import { redactedLines } from '../../src/logging/redacted-lines.ts'
import { Redactor } from '../../src/logging/redaction.ts'

const SECRET = 's3cret-of-the-key'

const open = () => {
  const redactor = new Redactor()
  redactor.addSecret(SECRET)
  const written: string[] = []
  const stream = new Writable({
    write(chunk, _encoding, done) {
      written.push(String(chunk))
      done()
    },
  })
  return { redactor, written, stream, lines: redactedLines(stream, redactor) }
}

t.test('secrets are cut out of every line of many', async (t) => {
  const { lines, written } = open()
  lines.write(`a ${SECRET} b\nc\n${SECRET}\n`)
  lines.write(Buffer.from(`as bytes: ${SECRET}\n`))
  t.same(written, ['a [redacted] b\nc\n[redacted]\n', 'as bytes: [redacted]\n'])
})

t.test('a secret that became known after the line was made is cut out, too', async (t) => {
  const { lines, written, redactor } = open()
  lines.cork()
  lines.write('the-token-of-later\n')
  redactor.addToken('the-token-of-later')
  lines.uncork()
  t.same(written, ['[redacted]\n'])
})

t.test('lines wait as long as the reader does', async (t) => {
  const goOn: (() => void)[] = []
  const slow = new Writable({
    highWaterMark: 1,
    write: (_chunk, _encoding, done) => goOn.push(done),
  })
  const lines = redactedLines(slow, new Redactor())
  lines.write('one\n')
  lines.write('two\n')
  t.equal(lines.writableLength, 8)
  goOn.shift()?.()
  await new Promise(setImmediate)
  t.equal(lines.writableLength, 4)
})

t.test("a reader that is gone is nobody's business", async (t) => {
  const { lines, stream } = open()
  stream.destroy(new Error('EPIPE'))
  await t.resolves(new Promise<void>((resolve) => lines.write('a\n', () => resolve())))
})
