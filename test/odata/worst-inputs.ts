/**
 * `node --import tsx test/odata/worst-inputs.ts`: the inputs that cost readers and rewriters most, each
 * once and twice as long, as lines of JSON: its name, its bytes, and the work that it is.
 */
import { countWork } from '../fixtures/counted-work.ts'
import { createBodyRewriter } from '../../src/odata/batch-rewriter.ts'
import { readBatch } from '../../src/odata/batch-reader.ts'
import { LinkRewriter, LinkTable, rewriteFieldLine } from '../../src/odata/link-rewriter.ts'

const tableOf = (base: string, pathAbsolute = true): LinkTable =>
  new LinkTable([{ base: new URL(base), replacement: 'http://proxy', pathAbsolute }])

const BASE = 'https://api.example/intas/entities/v1'
const TABLES = {
  'a usual base URL': tableOf(BASE),
  'a short path': tableOf('https://api.example/v1'),
  'no path': tableOf('https://api.example'),
  'a long name': tableOf(`http://b${'f'.repeat(254)}`, false),
}
const TABLE = TABLES['a usual base URL']

/** Beginnings of links, of escapes of them, and of what links stand in. */
// prettier-ignore
const DOCUMENTS = [
  '/v1', '\\/v1', "='/v1", '"uri":"/v1', '<id>/v1', 'h', 'a', 'f', '/', '\\', '&', '"', "='/",
  'https://', 'https:\\u002f', 'https:&#47;', '&#47;', '&;', '\\u002f', '>/a', ':id="/', '@id',
  'entities', '/entities', '\\u002fentities', '"uri":"/intas/entities/v', BASE.slice(0, -1),
  BASE.replaceAll('/', '&#x2f;').slice(0, -1), '{"a":', '[', '\\"', `http://b${'f'.repeat(253)}`,
]

/** Delimiters, heads that do not end, lines that do not, parts in parts. */
// prettier-ignore
const BATCHES = [
  '--b\n', '--b\r\nx\r\n', '--b\r\n\r\n', '--b--\n', '\n--', '\n--b', '\n', '\r', '--', '--bx', 'x',
  '--b\nContent-Type: application/http\n\n', '--b\r\nContent-Length: 9\r\n\r\n',
  '--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c\n',
  '--b\r\nContent-Length: 9000\r\n\r\n',
]

const fill = (piece: string, bytes: number): string =>
  piece.repeat(Math.ceil(bytes / piece.length)).slice(0, bytes)

interface Rewriter {
  push: (chunk: Buffer) => unknown
  end: () => unknown
}

const feed = (rewriter: Rewriter, text: string, size: number): void => {
  const bytes = Buffer.from(text, 'latin1')
  for (let at = 0; at < bytes.length; at += size) rewriter.push(bytes.subarray(at, at + size))
  rewriter.end()
}

type Work = readonly [name: string, run: (bytes: number) => void]

const inChunks = (name: string, open: () => Rewriter, start: string, piece: string): Work[] =>
  [true, false].map((isWhole): Work => {
    const what = `${name}: ${start}${piece.slice(0, 40)}…, ${isWhole ? 'whole' : 'byte by byte'}`
    return [what, (bytes) => feed(open(), start + fill(piece, bytes), isWhole ? Infinity : 1)]
  })

const openBatch = (): Rewriter => {
  const rewriteLine = (line: string): string => rewriteFieldLine(TABLE, line)
  return createBodyRewriter({ kind: 'multipart', delimiter: '--b' }, { table: TABLE, rewriteLine })
}

const JSON_PIECES = ['[', '{"a":', '[],', '{},', '"a",', '"\\u0061",', '\\"', '\\', ' ', '"', ':']
const LINES = ['--b', '--b\r\n', '\r\n', '--b\r\n\r\n', '-', 'a: b\r\n']

const WORK: readonly Work[] = [
  ...Object.entries(TABLES).flatMap(([name, table]) =>
    DOCUMENTS.flatMap((piece) => inChunks(name, () => new LinkRewriter(table), '', piece)),
  ),
  ...BATCHES.flatMap((piece) => inChunks('a batch', openBatch, '', piece)),
  ...['--b', '--b\r\nx: '].flatMap((start) => inChunks('a line', openBatch, start, 'x')),
  ...JSON_PIECES.map((piece): Work => {
    const run = (bytes: number) => readBatch('application/json', Buffer.from(fill(piece, bytes)))
    return [`JSON: ${piece}`, run]
  }),
  ...LINES.map((piece): Work => {
    const run = (bytes: number) =>
      readBatch('multipart/mixed;boundary=b', Buffer.from(fill(piece, bytes)))
    return [`multipart: ${piece}`, run]
  }),
]

const BYTES = 8 * 1024

for (const [name, run] of WORK) {
  const [once, twice] = [BYTES, 2 * BYTES].map((bytes) => countWork(() => run(bytes)))
  process.stdout.write(`${JSON.stringify({ name, bytes: BYTES, once, twice })}\n`)
}
