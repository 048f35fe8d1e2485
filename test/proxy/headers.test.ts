import t from 'tap'
import {
  type AddedHeaders,
  hopsWith,
  isHopByHop,
  nominatedNames,
  requestHeaders,
  responseHeaders,
} from '../../src/proxy/headers.ts'
import { processorTime } from '../fixtures/processor-time.ts'

const NONE = new Set<string>()

const ALWAYS = [
  'connection',
  'http2-settings',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]

for (const name of ALWAYS) {
  t.test(`${name} belongs to one connection`, async (t) => {
    t.equal(isHopByHop(name, NONE), true)
  })
}

t.test('other fields travel on', async (t) => {
  for (const name of ['content-length', 'content-type', 'cookie', 'x-csrf-token', 'via']) {
    t.equal(isHopByHop(name, NONE), false, name)
  }
})

const NOMINATIONS: Record<string, [raw: readonly string[], names: readonly string[]]> = {
  'no field nominates nothing': [['Accept', 'x-a'], []],
  'one name': [['Connection', 'x-a'], ['x-a']],
  'several names, in any case and spacing': [
    ['connection', ' X-A ,\tx-b'],
    ['x-a', 'x-b'],
  ],
  'names of several fields': [
    ['Connection', 'x-a', 'a', 'b', 'CONNECTION', 'x-b'],
    ['x-a', 'x-b'],
  ],
  'close and keep-alive are options, no names': [['Connection', 'close, Keep-Alive'], []],
  'a value of that text is no field': [['x-a', 'Connection'], []],
  'a field of the same length is another': [['X-Abcdefgh', 'x-a'], []],
}

for (const [title, [raw, names]] of Object.entries(NOMINATIONS)) {
  t.test(`Connection: ${title}`, async (t) => {
    t.strictSame([...nominatedNames(raw)], names)
  })
}

t.test('a nominated field goes no further than this connection', async (t) => {
  const nominated = nominatedNames(['Connection', 'X-Internal'])
  t.equal(isHopByHop('x-internal', nominated), true)
  t.equal(isHopByHop('x-external', nominated), false)
  t.equal(isHopByHop('te', nominated), true)
})

const ADDED = {
  correlationId: 'correlation',
  traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
  keepTracestate: true,
  userAgent: 'service-key-proxy/1.0.0',
  stripJsonCharset: true,
  hops: 'abcdefghijklmnop',
}
const CORRELATION = ['x-correlation-id', 'correlation', 'x-correlationid', 'correlation']
const HOPS = ['x-service-key-proxy', ADDED.hops]
const IDS = [...CORRELATION, 'traceparent', ADDED.traceparent, ...HOPS]
const OWN_AGENT = ['user-agent', 'service-key-proxy/1.0.0']
/** As they are sent. */
const send = (raw: readonly string[], changes: Partial<AddedHeaders> = {}): string[] => {
  const { callers, own } = requestHeaders(raw, { ...ADDED, ...changes })
  return [...callers, ...own]
}

t.test('the ids and a user agent are added', async (t) => {
  t.strictSame(send([]), [...IDS, ...OWN_AGENT])
})

t.test("the caller's fields go on as they are: spelling, order, repetition", async (t) => {
  const raw = ['Accept', 'application/json', 'COOKIE', 'a=1', 'accept', 'text/html', 'X-Empty', '']
  t.strictSame(send(raw).slice(0, raw.length), raw)
})

t.test('the content type keeps its every byte', async (t) => {
  const raw = ['Content-Type', 'multipart/mixed;boundary="Batch_1"; charset=utf-8']
  t.strictSame(send(raw).slice(0, 2), raw)
})

t.test("the caller's user agent is kept", async (t) => {
  const raw = ['User-Agent', 'caller/2.0']
  t.strictSame(send(raw), [...raw, ...IDS])
})

const DROPPED = [
  'Authorization',
  'AUTHORIZATION',
  'X-Correlation-ID',
  'X-CorrelationID',
  'Host',
  'Expect',
  'Forwarded',
  'X-Real-IP',
  'X-Service-Key-Proxy',
  'X-Caller-Token',
  'X-Forwarded-For',
  'x-forwarded-host',
  'X-Forwarded-Client-Cert',
  'X-CF-App-Instance',
  'x-cf-process-instance',
  'Connection',
  'Keep-Alive',
  'Proxy-Authorization',
  'Proxy-Connection',
  'TE',
  'Trailer',
  'Transfer-Encoding',
  'Upgrade',
  'HTTP2-Settings',
]

const ALIASES = [
  'Transfer_Encoding',
  'Content_Length',
  'X_Forwarded_For',
  'x-forwarded_host',
  'X_CF_App_Instance',
  'X_Real_IP',
  'X_Correlation_ID',
  'Proxy_Authorization',
]

for (const name of [...DROPPED, ...ALIASES]) {
  t.test(`${name} of the caller does not reach the API`, async (t) => {
    t.strictSame(send([name, 'attack', name, 'twice']), send([]))
  })
}

t.test('fields whose names only begin alike are kept', async (t) => {
  const raw = ['X-Forwarded', 'a', 'X-CFG', 'b', 'Authorization-Info', 'c', 'Hosts', 'd']
  t.strictSame(send(raw).slice(0, raw.length), raw)
})

t.test('an underscore alone is no reason to drop a field', async (t) => {
  const raw = ['Sap_Client', '100', 'X_Custom-Field', 'a', '_', 'b']
  t.strictSame(send(raw).slice(0, raw.length), raw)
})

t.test('a field that Connection nominates is dropped', async (t) => {
  const raw = ['X-Internal', 'a', 'Connection', 'x-internal, x-other', 'X-Kept', 'b']
  t.strictSame(send(raw), ['X-Kept', 'b', ...send([])])
})

t.test('Connection cannot take away what the proxy adds', async (t) => {
  const names = 'authorization, x-correlation-id, x-correlationid, user-agent, x-service-key-proxy'
  t.strictSame(send(['Connection', names, 'User-Agent', 'caller']), send([]))
})

const OTHER = 'ponmlkjihgfedcb_'

/** What a caller says of hops → what is sent before the own word. */
const HOP_LISTS: [received: unknown, sent: readonly string[]][] = [
  [undefined, []],
  [OTHER, [OTHER]],
  [`${OTHER},${OTHER}, ${OTHER}`, [`${OTHER},${OTHER}, ${OTHER}`]],
  [Array(15).fill(OTHER).join(), [Array(15).fill(OTHER).join()]],
  [Array(16).fill(OTHER).join(), []],
  ['', []],
  ['host.internal, ponmlkjihgfedc', []],
  [`${OTHER}x`, []],
  [`${OTHER}; a`, []],
  [`${OTHER},`, []],
  [[OTHER], []],
]

t.test('only words of other proxies of this kind go on, and not endlessly many', async (t) => {
  for (const [received, sent] of HOP_LISTS) {
    t.equal(hopsWith(received, ADDED.hops), [...sent, ADDED.hops].join(', '), String(received))
  }
})

const STRIPPED: Record<string, string> = {
  'application/json; charset=utf-8': 'application/json',
  'application/json;charset=UTF-8': 'application/json',
  'Application/JSON ; Charset="utf8"': 'Application/JSON',
  'application/json;odata=verbose; charset=utf-8': 'application/json;odata=verbose',
  'application/json; charset=utf-8 ;odata=verbose': 'application/json ;odata=verbose',
  'application/json;charset=utf-8;charset=utf-8': 'application/json',
}

for (const [value, stripped] of Object.entries(STRIPPED)) {
  t.test(`${value} goes on as ${stripped}`, async (t) => {
    t.strictSame(send(['Content-Type', value]).slice(0, 2), ['Content-Type', stripped])
    const kept = send(['Content-Type', value], { stripJsonCharset: false })
    t.equal(kept[1], value, 'unless the setting is off')
  })
}

const UNSTRIPPED = [
  'application/json',
  'application/json;',
  'application/json ; a=b ;  c="d"',
  'application/json;charset=iso-8859-1',
  'application/json;charset=utf-16',
  'application/json;x-charset=utf-8',
  'application/json;a="x;charset=utf-8;y"',
  'application/json;a="\\";charset=utf-8;"',
  'application/json-patch+json;charset=utf-8',
  'application/jsonl; charset=utf-8',
  'text/plain;charset=utf-8',
  'application/xml; charset=utf-8',
  'multipart/mixed;boundary=b;charset=utf-8',
  'text/plain, application/json;charset=utf-8',
]

for (const value of UNSTRIPPED) {
  t.test(`${value} stays byte for byte`, async (t) => {
    t.equal(send(['content-type', value])[1], value)
  })
}

t.test('no content type takes long to read', async (t) => {
  const pieces = [' ', ';', '"', '\\"', ';a="', ';a="\\', '; charset=', ' ;charset=utf-8']
  const busy = processorTime(() => {
    for (const piece of pieces) {
      send(['content-type', `application/json;${piece.repeat(65_536 / piece.length)}`])
    }
  })
  t.ok(busy < 1_000, `${busy} ms`)
})

const IDSOfResponseHeaders = { requestId: 'request', correlationId: 'correlation' }
const ADDEDOfResponseHeaders = ['x-request-id', 'request', 'x-correlation-id', 'correlation']
const encode = (raw: readonly string[]) => raw.map((part) => Buffer.from(part, 'latin1'))
const answer = (...raw: readonly string[]) => responseHeaders(encode(raw), IDSOfResponseHeaders)

t.test('the fields of the API go on as they are: spelling, order, repetition', async (t) => {
  const raw = ['Content-Type', 'application/json', 'set-cookie', 'a=1', 'SET-COOKIE', 'b=2']
  t.strictSame(answer(...raw), [...raw, ...ADDEDOfResponseHeaders])
})

t.test('parts that arrived apart are read as those that arrived at once', async (t) => {
  const fields = ['Content-Type', 'application/json', 'etag', '', 'x-latin', 'caf\u00e9']
  const apart = encode(fields).map((part) => Buffer.from(new Uint8Array(part).buffer))
  t.strictSame(responseHeaders(apart, IDSOfResponseHeaders), [...fields, ...ADDEDOfResponseHeaders])
  const turned = encode(fields.toReversed()).toReversed()
  t.strictSame(responseHeaders(turned, IDSOfResponseHeaders), [
    ...fields,
    ...ADDEDOfResponseHeaders,
  ])
  const [head = Buffer.alloc(0)] = encode(['a: 1, b: 22'])
  const cut = [head.subarray(0, 1), head.subarray(3, 4), head.subarray(6, 7), head.subarray(9)]
  t.strictSame(responseHeaders(cut, IDSOfResponseHeaders), [
    'a',
    '1',
    'b',
    '22',
    ...ADDEDOfResponseHeaders,
  ])
  t.strictSame(responseHeaders([], IDSOfResponseHeaders), ADDEDOfResponseHeaders)
})

t.test('values keep every byte', async (t) => {
  const raw = ['Content-Disposition', 'attachment; filename="\u00c3\u00bc\u00ff.zip"']
  t.strictSame(answer(...raw), [...raw, ...ADDEDOfResponseHeaders])
})

for (const name of ['Connection', 'Keep-Alive', 'Transfer-Encoding', 'Proxy-Authenticate', 'TE']) {
  t.test(`${name} of the API stays on its connection`, async (t) => {
    t.strictSame(
      answer(name, name === 'Transfer-Encoding' ? 'Chunked ' : 'close'),
      ADDEDOfResponseHeaders,
    )
  })
}

t.test('identity is no transfer coding', async (t) => {
  t.strictSame(answer('Transfer-Encoding', 'identity'), ADDEDOfResponseHeaders)
})

t.test('a field that Connection nominates is dropped', async (t) => {
  t.strictSame(answer('X-Hop', 'a', 'Connection', 'x-hop', 'X-Kept', 'b'), [
    'X-Kept',
    'b',
    ...ADDEDOfResponseHeaders,
  ])
})

t.test('an id that the API answers with is kept, in any spelling', async (t) => {
  const request = ['X-Request-ID', 'theirs']
  const correlation = ['X-Correlation-ID', 'theirs']
  t.strictSame(answer(...request), [...request, 'x-correlation-id', 'correlation'])
  t.strictSame(answer(...correlation), [...correlation, 'x-request-id', 'request'])
  t.strictSame(answer(...request, ...correlation), [...request, ...correlation])
})
