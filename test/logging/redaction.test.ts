import { Writable } from 'node:stream'
import t from 'tap'
import { redactedLines, Redactor } from '../../src/logging/redaction.ts'

const redact = (line: string, ...secrets: readonly string[]) => {
  const redactor = new Redactor()
  for (const secret of secrets) redactor.addSecret(secret)
  return redactor.redact(line)
}

const SECRET = 'f1e2$Q"z\\+/='

t.test('a line without a secret is untouched', async (t) => {
  t.equal(redact('{"msg":"listening"}'), '{"msg":"listening"}')
  t.equal(redact('{"msg":"listening"}', SECRET), '{"msg":"listening"}')
})

const FORMS = {
  'as it is': SECRET,
  'inside JSON': JSON.stringify(SECRET).slice(1, -1),
  'inside a URL': encodeURIComponent(SECRET),
}

for (const [title, form] of Object.entries(FORMS)) {
  t.test(`a secret is cut out ${title}, every time`, async (t) => {
    t.equal(redact(`a=${form}&b=${form};`, SECRET), 'a=[redacted]&b=[redacted];')
  })
}

t.test('signs that mean something in a pattern are plain characters', async (t) => {
  t.equal(redact('a.*b.*c.*d aXXbXXcXXd', 'a.*b.*c.*d'), '[redacted] aXXbXXcXXd')
  t.equal(redact('<$&$1$$-secret>', '$&$1$$-secret'), '<[redacted]>')
})

t.test('a value that is as short as a word is left alone', async (t) => {
  t.equal(redact('1234567', '1234567'), '1234567')
  t.equal(redact('12345678', '12345678'), '[redacted]')
  t.equal(redact('listening', ''), 'listening')
})

t.test('the last 16 secrets and the last 8 tokens are known', async (t) => {
  const redactor = new Redactor()
  const values = Array.from({ length: 40 }, (_, index) => `number-${index};`)
  const [secrets, tokens] = [values.slice(0, 20), values.slice(20)]
  for (const secret of [...secrets, ...secrets]) redactor.addSecret(secret)
  for (const token of tokens) redactor.addToken(token)
  const known = (value: string): boolean => redactor.redact(value) === '[redacted]'
  t.strictSame(secrets.filter(known), secrets.slice(4))
  t.strictSame(tokens.filter(known), tokens.slice(12))
})

t.test('a secret that contains another leaves no piece behind', async (t) => {
  const longer = 'first-secret-and-more'
  t.equal(redact(longer, 'first-secret', longer), '[redacted]')
})

t.test('a secret is cut out of a form body, as the token request has it', async (t) => {
  const body = new URLSearchParams({ client_secret: "it's (a) secret!" }).toString()
  t.equal(redact(body, "it's (a) secret!"), 'client_secret=[redacted]')
})

t.test('a secret to keep is known for good, whenever it was told', async (t) => {
  const redactor = new Redactor()
  redactor.keep('kept-secret-1')
  for (let i = 0; i < 20; i += 1) redactor.addSecret(`secret-number-${i};`)
  redactor.keep('kept-secret-2')
  t.equal(redactor.redact('kept-secret-1 kept-secret-2'), '[redacted] [redacted]')
})

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
