import t from 'tap'
import * as fc from 'fast-check'
import { createBodyRewriter } from '../../src/odata/batch-rewriter.ts'
import { LinkTable } from '../../src/odata/link-rewriter.ts'

const BASE = 'https://api.example/intas/entities/v1'
const PROXY = 'http://localhost:8080'
const options = {
  table: new LinkTable([{ base: new URL(BASE), replacement: PROXY, pathAbsolute: true }]),
  rewriteLine: (line: string) => line.replace(/^X-Place: \/here/, 'X-Place: /over/there'),
}
const open = () => createBodyRewriter({ kind: 'multipart', delimiter: '--b' }, options)
const rewrite = (text: string): string => open().end(Buffer.from(text)).toString()

interface Shape {
  readonly base: string
  readonly place: string
  /** Whether parts say how long they are. */
  readonly withLength: boolean
  /** Characters of a text in each entity. */
  readonly padding?: number
  readonly lineBreak?: string
}
const BEFORE: Shape = { base: BASE, place: '/here', withLength: true }
const AFTER: Shape = { base: PROXY, place: '/over/there', withLength: true }

const build = (shape: Shape) => {
  const { base, place, withLength, padding = 0, lineBreak = '\r\n' } = shape
  const join = (lines: readonly string[]): string => lines.join(lineBreak)
  const entity = JSON.stringify({
    __metadata: { uri: `${base}/Vendor('1')` },
    Name: '\u00fc'.repeat(padding),
  })
  const lengthOf = (content: string): string[] =>
    withLength ? [`content-length:${Buffer.byteLength(content)}`] : []
  const head = (lines: readonly string[], content: string): string =>
    join([...lines, ...lengthOf(content), '', content])
  const message = head(
    ['HTTP/1.1 200 OK', 'Content-Type: application/json', `X-Place: ${place}`],
    entity,
  )
  const part = head(['Content-Type: application/http', `Location: ${base}/x`], message)
  const multipart = (delimiter: string, parts: readonly string[]): string =>
    join([...parts.flatMap((text) => [delimiter, text]), `${delimiter}--`, ''])
  const changeSet = multipart('--c', [part, part])
  return multipart('--b', [
    part,
    head(['Content-Type: multipart/mixed; boundary=c'], changeSet),
    part,
  ])
}

t.test('links are replaced at every level, and every length is right', async (t) => {
  t.equal(rewrite(build(BEFORE)), build(AFTER))
})

t.test('parts without a length stay without', async (t) => {
  const shape = { withLength: false }
  t.equal(rewrite(build({ ...BEFORE, ...shape })), build({ ...AFTER, ...shape }))
})

t.test('lines may end without a carriage return', async (t) => {
  const shape = { lineBreak: '\n' }
  t.equal(rewrite(build({ ...BEFORE, ...shape })), build({ ...AFTER, ...shape }))
})

t.test('a part longer than 64 KB loses its length instead of being held', async (t) => {
  const padding = 40_000
  const expected = build({ ...AFTER, padding, withLength: false })
  t.equal(rewrite(build({ ...BEFORE, padding })), expected)
})

t.test('only the parts that are too long lose it', async (t) => {
  // The change set is longer than 64 KB, its parts are not.
  const expected = build({ ...AFTER, padding: 20_000 })
  const changeSet = /(boundary=c\r\n)content-length:\d+\r\n/
  t.match(expected, changeSet)
  t.equal(rewrite(build({ ...BEFORE, padding: 20_000 })), expected.replace(changeSet, '$1'))
})

t.test('what has nothing to replace comes out as it is', async (t) => {
  const shape = { base: 'https://example.com/intas/entities/v1', place: '/x' }
  for (const text of [
    build({ ...BEFORE, ...shape }),
    build({ ...BEFORE, ...shape, withLength: false }),
    '',
    'no part at all',
    '--b',
    '--b--',
    '--b\r\n',
    '--b\r\nContent-Type: application/http',
    '--b\r\nContent-Type: application/http\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n\r\n--b--\r\n',
    '--b\r\n\r\ntext\r\n-\r\n--\r\n--a\r\n--b--\r\nepilogue\r\n',
    '\r\n\r\n--b\n\n\n--b--',
    '--b\r\nContent-Length: 0\r\n\r\n\r\n--b--\r\n',
    '--b\r\nContent-Length: many\r\n\r\n\r\n--b--\r\n',
    `--b\r\nX: ${'x'.repeat(70_000)}\r\n\r\n--b--\r\n`,
    `--b${'-'.repeat(70_000)}\r\nX: x\r\n\r\n`,
  ]) {
    t.equal(rewrite(text), text, text.slice(0, 60))
  }
})

t.test('a length that promises more than there is keeps what is missing', async (t) => {
  const before = `--b\r\nContent-Length: 100\r\n\r\n${BASE}/x`
  t.equal(
    rewrite(before),
    `--b\r\nContent-Length: ${100 + PROXY.length - BASE.length}\r\n\r\n${PROXY}/x`,
  )
})

t.test('a body that looks like a delimiter is a body', async (t) => {
  const text = `--b\r\nContent-Length: 9\r\n\r\n--b\r\nX: y\r\n--b--\r\n`
  t.equal(rewrite(text), text)
})

t.test('a delimiter line that comes in pieces is one line, however long it is', async (t) => {
  const text = `--b${' '.repeat(3_000)}\r\nX-Place: /here\r\n\r\n${BASE}/x`
  const rewriter = open()
  const output = Array.from(text, (character) => rewriter.push(Buffer.from(character)))
  const whole = Buffer.concat([...output, rewriter.end()]).toString()
  t.equal(whole, text.replace('/here', '/over/there').replace(BASE, PROXY))
})

t.test('parts in parts in parts end somewhere', async (t) => {
  const nest = (content: string, depth: number): string =>
    depth === 0
      ? content
      : nest(`--b\r\nContent-Length: ${content.length}\r\n\r\n${content}`, depth - 1)
  const rewritten = rewrite(nest(`${BASE}/x`, 500))
  t.match(rewritten, `${PROXY}/x`)
  t.equal(rewritten.match(/Content-Length/g)?.length, 4)
  const delimiters = Array.from(
    { length: 50 },
    (_, i) => `--b\r\nContent-Type: multipart/mixed; boundary=b${i}\r\n\r\n`,
  )
  t.equal(rewrite(delimiters.join('')), delimiters.join(''))
})

const PIECES = [
  build(BEFORE),
  build({ ...BEFORE, withLength: false, lineBreak: '\n' }),
  '--b\r\n',
  '--b--\r\n',
  '--c',
  'Content-Type: application/http\r\n',
  'Content-Type: multipart/mixed; boundary=c\r\n',
  'Content-Length: 20\r\n',
  'Content-Length: 900000\r\n',
  'X-Place: /here\r\n',
  '\r\n',
  '\n-',
  `${BASE}/x`,
  'HTTP/1.1 200 OK\r\n',
]

t.test('the output does not depend on how a body is cut into chunks', async () => {
  fc.assert(
    fc.property(
      fc.array(fc.oneof(fc.constantFrom(...PIECES), fc.string()), { maxLength: 12 }),
      fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 5 }),
      (pieces, sizes) => {
        const bytes = Buffer.from(pieces.join(''))
        const whole = open()
        const expected = whole.end(bytes).toString()
        const cut = open()
        const output: Buffer[] = []
        let at = 0
        for (let i = 0; at < bytes.length; i += 1) {
          const size = sizes[i % sizes.length] as number
          output.push(cut.push(bytes.subarray(at, at + size)))
          at += size
        }
        output.push(cut.end())
        return Buffer.concat(output).toString() === expected && cut.count === whole.count
      },
    ),
    { numRuns: 1_000 },
  )
})

t.test('what is held back is bounded', async (t) => {
  const body = Buffer.from(build({ ...BEFORE, padding: 40_000 }).repeat(5))
  const rewriter = open()
  let held = 0
  let most = 0
  for (let at = 0; at < body.length; at += 1_000) {
    const chunk = body.subarray(at, at + 1_000)
    held += chunk.length - rewriter.push(chunk).length
    most = Math.max(most, held)
  }
  t.ok(most < 70_000, `${most} bytes`)
})
