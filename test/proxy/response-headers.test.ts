import t from 'tap'
import { responseHeaders } from '../../src/proxy/response-headers.ts'

const IDS = { requestId: 'request', correlationId: 'correlation' }
const ADDED = ['x-request-id', 'request', 'x-correlation-id', 'correlation']
const encode = (raw: readonly string[]) => raw.map((part) => Buffer.from(part, 'latin1'))
const answer = (...raw: readonly string[]) => responseHeaders(encode(raw), IDS)

t.test('the fields of the API go on as they are: spelling, order, repetition', async (t) => {
  const raw = ['Content-Type', 'application/json', 'set-cookie', 'a=1', 'SET-COOKIE', 'b=2']
  t.strictSame(answer(...raw), [...raw, ...ADDED])
})

t.test('parts that arrived apart are read as those that arrived at once', async (t) => {
  const fields = ['Content-Type', 'application/json', 'etag', '', 'x-latin', 'caf\u00e9']
  const apart = encode(fields).map((part) => Buffer.from(new Uint8Array(part).buffer))
  t.strictSame(responseHeaders(apart, IDS), [...fields, ...ADDED])
  const turned = encode(fields.toReversed()).toReversed()
  t.strictSame(responseHeaders(turned, IDS), [...fields, ...ADDED])
  const [head = Buffer.alloc(0)] = encode(['a: 1, b: 22'])
  const cut = [head.subarray(0, 1), head.subarray(3, 4), head.subarray(6, 7), head.subarray(9)]
  t.strictSame(responseHeaders(cut, IDS), ['a', '1', 'b', '22', ...ADDED])
  t.strictSame(responseHeaders([], IDS), ADDED)
})

t.test('values keep every byte', async (t) => {
  const raw = ['Content-Disposition', 'attachment; filename="\u00c3\u00bc\u00ff.zip"']
  t.strictSame(answer(...raw), [...raw, ...ADDED])
})

for (const name of ['Connection', 'Keep-Alive', 'Transfer-Encoding', 'Proxy-Authenticate', 'TE']) {
  t.test(`${name} of the API stays on its connection`, async (t) => {
    t.strictSame(answer(name, name === 'Transfer-Encoding' ? 'Chunked ' : 'close'), ADDED)
  })
}

t.test('identity is no transfer coding', async (t) => {
  t.strictSame(answer('Transfer-Encoding', 'identity'), ADDED)
})

t.test('a field that Connection nominates is dropped', async (t) => {
  t.strictSame(answer('X-Hop', 'a', 'Connection', 'x-hop', 'X-Kept', 'b'), [
    'X-Kept',
    'b',
    ...ADDED,
  ])
})

t.test('an id that the API answers with is kept, in any spelling', async (t) => {
  const request = ['X-Request-ID', 'theirs']
  const correlation = ['X-Correlation-ID', 'theirs']
  t.strictSame(answer(...request), [...request, 'x-correlation-id', 'correlation'])
  t.strictSame(answer(...correlation), [...correlation, 'x-request-id', 'request'])
  t.strictSame(answer(...request, ...correlation), [...request, ...correlation])
})
