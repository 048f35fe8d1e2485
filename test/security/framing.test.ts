/**
 * Where a request ends and which fields it has must be the same for everybody on its way. What can
 * be read in two ways is refused; what passes is framed anew (RFC 9112 §§2-7).
 */
import t, { type Test } from 'tap'
import { once } from 'node:events'
import net from 'node:net'
import { call, exchange, exchangePolitely } from '../fixtures/http-client.ts'
import { startProxy, TOKEN } from '../fixtures/proxy.ts'
import { startRawServer, startServer } from '../fixtures/recording-server.ts'

const start = async (t: Test, settings: Readonly<Record<string, string>> = {}) => {
  const api = await startServer(t, ({ body }, response) => response.end(body))
  const { port } = await startProxy(t, { api: api.url, settings })
  return { api, port }
}

const HOST = 'host: x\r\nconnection: close\r\n'
const get = (fields: string): string => `GET /a HTTP/1.1\r\n${HOST}${fields}\r\n`
const post = (fields: string, body: string): string =>
  `POST /a HTTP/1.1\r\n${HOST}${fields}\r\n${body}`
const chunked = (body: string): string => post('transfer-encoding: chunked\r\n', body)
const EMPTY = '0\r\n\r\n'

const REFUSED: Readonly<Record<string, string>> = {
  'CL.TE': post('content-length: 5\r\ntransfer-encoding: chunked\r\n', EMPTY),
  'TE.CL': post('transfer-encoding: chunked\r\ncontent-length: 5\r\n', EMPTY),
  'two lengths': post('content-length: 2\r\ncontent-length: 3\r\n', 'abc'),
  'the same length twice': post('content-length: 2\r\ncontent-length: 2\r\n', 'ab'),
  'a list of lengths': post('content-length: 2, 2\r\n', 'ab'),
  'a length with a sign': post('content-length: +2\r\n', 'ab'),
  'a negative length': post('content-length: -2\r\n', 'ab'),
  'a hexadecimal length': post('content-length: 0x2\r\n', 'ab'),
  'an empty length': post('content-length:\r\n', 'ab'),
  'a length beyond 64 bits': post('content-length: 99999999999999999999\r\n', 'ab'),
  'a length that no number holds exactly': post('content-length: 9007199254740993\r\n', 'ab'),
  'a blank before the colon': post('content-length : 2\r\n', 'ab'),
  'a blank before the colon of TE': post('transfer-encoding : chunked\r\n', EMPTY),
  'an unknown coding': post('transfer-encoding: xchunked\r\n', EMPTY),
  'a coding behind chunked': post('transfer-encoding: chunked, identity\r\n', EMPTY),
  'a coding before chunked': post('transfer-encoding: gzip, chunked\r\n', EMPTY),
  'identity and a length': post('transfer-encoding: identity\r\ncontent-length: 2\r\n', 'ab'),
  'chunked twice': post('transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n', EMPTY),
  'a quoted coding': post('transfer-encoding: "chunked"\r\n', EMPTY),
  'an empty coding': post('transfer-encoding:\r\n', EMPTY),
  'a vertical tab before the coding': post('transfer-encoding: \x0bchunked\r\n', EMPTY),
  'a coding in HTTP/1.0': `POST /a HTTP/1.0\r\n${HOST}transfer-encoding: chunked\r\n\r\n${EMPTY}`,
  'a folded line': get('x-a: b\r\n c\r\n'),
  'a folded coding': post('transfer-encoding:\r\n chunked\r\n', EMPTY),
  'a blank before the first field': `GET /a HTTP/1.1\r\n x: y\r\n${HOST}\r\n`,
  'a bare LF behind a field': get('x-a: b\nx-c: d\r\n'),
  'a bare LF at the end': `GET /a HTTP/1.1\r\n${HOST}\n`,
  'a bare LF behind the request line': `GET /a HTTP/1.1\n${HOST}\r\n`,
  'a bare CR in a field': get('x-a: b\rx-c: d\r\n'),
  'NUL in a field': get('x-a: b\0c\r\n'),
  'DEL in a field': get('x-a: b\x7fc\r\n'),
  'a field without a name': get(': a\r\n'),
  'a field without a colon': get('x-a\r\n'),
  'a name that is no token': get('x[a]: b\r\n'),
  'no Host': 'GET /a HTTP/1.1\r\nconnection: close\r\n\r\n',
  'two Hosts': get('Host: y\r\n'),
  'two Hosts in HTTP/1.0': `GET /a HTTP/1.0\r\n${HOST}host: x\r\n\r\n`,
  'a Host with a path': 'GET /a HTTP/1.1\r\nhost: x/../y\r\n\r\n',
  'a Host with userinfo': 'GET /a HTTP/1.1\r\nhost: a@x\r\n\r\n',
  'a Host that is two': 'GET /a HTTP/1.1\r\nhost: x, y\r\n\r\n',
  'a Host of 256 octets': `GET /a HTTP/1.1\r\nhost: ${'x'.repeat(256)}\r\n\r\n`,
  'a Host with markup': 'GET /a HTTP/1.1\r\nhost: "><x\r\n\r\n',
  'HTTP/0.9': 'GET /a\r\n\r\n',
  'HTTP/1.2': `GET /a HTTP/1.2\r\n${HOST}\r\n`,
  'HTTP/2.0 in the form of HTTP/1': `GET /a HTTP/2.0\r\n${HOST}\r\n`,
  'the preface of HTTP/2': 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  'a method in lower case': `get /a HTTP/1.1\r\n${HOST}\r\n`,
  'a framing fault in a probe': 'GET /-/live HTTP/1.1\r\nhost: x\r\nhost: y\r\n\r\n',
  'a framing fault in a path nobody can decode': 'GET /%zz HTTP/1.1\r\nhost: x\r\nhost: y\r\n\r\n',
  'a chunk size with a sign': chunked('+2\r\nab\r\n0\r\n\r\n'),
  'a chunk size with 0x': chunked('0x2\r\nab\r\n0\r\n\r\n'),
  'a chunk size beyond 64 bits': chunked('fffffffffffffffff\r\nab\r\n0\r\n\r\n'),
  'a blank behind a chunk size': chunked('2 \r\nab\r\n0\r\n\r\n'),
  'chunks ended by bare LF': chunked('2\nab\n0\n\n'),
  'an LF in a chunk extension': chunked('2;a\nab\r\n0\r\n\r\n'),
  'a CR in a chunk extension': chunked('2;a\rb\r\nab\r\n0\r\n\r\n'),
  'a chunk without its end': chunked('2\r\nab0\r\n\r\n'),
  'a chunk longer than it says': chunked('2\r\nabcd\r\n0\r\n\r\n'),
  'a length among the trailers': chunked('2\r\nab\r\n0\r\nContent-Length: 2\r\n\r\n'),
}

t.test('what can be read in two ways is refused once, and ends its connection', async (t) => {
  const { api, port } = await start(t)
  const smuggled = 'GET /smuggled HTTP/1.1\r\nhost: x\r\n\r\n'
  // What is let through now would be on its way before anybody closes anything.
  t.equal((await call(port)).status, 200)
  for (const [what, bytes] of Object.entries(REFUSED)) {
    const answer = await exchangePolitely(port, bytes + smuggled)
    t.match(answer, /^HTTP\/1\.1 400 [^]*x-error-code: bad_request\r\n/, what)
    t.equal(answer.split('HTTP/1.1 ').length, 2, `${what}: one answer`)
  }
  t.equal(api.requests.length, 1, 'not a whole request more has reached the API')
})

const PASSED: Readonly<Record<string, readonly [bytes: string, body: string]>> = {
  'a length with leading zeros': [post('content-length: 002\r\n', 'ab'), 'ab'],
  'a length between blanks': [post('content-length: \t2 \r\n', 'ab'), 'ab'],
  'a coding in capitals': [post('Transfer-Encoding: CHUNKED\r\n', '2\r\nab\r\n0\r\n\r\n'), 'ab'],
  'chunk extensions, which are dropped': [
    chunked('1;a\r\na\r\n1;b="c;\\"d"\r\nb\r\n0;e=f\r\n\r\n'),
    'ab',
  ],
  'chunk sizes with leading zeros': [chunked('0002\r\nab\r\n0000\r\n\r\n'), 'ab'],
  'trailers, which are dropped': [
    post(
      'transfer-encoding: chunked\r\ntrailer: x-t\r\n',
      '2\r\nab\r\n0\r\nx-t: 1\r\nauthorization: Basic x\r\nx-forwarded-for: y\r\n\r\n',
    ),
    'ab',
  ],
  'a body that looks like a request': [
    post('content-length: 18\r\n', 'GET / HTTP/1.1\r\n\r\n'),
    'GET / HTTP/1.1\r\n\r\n',
  ],
  'empty lines before the request': [`\r\n\r\n${get('')}`, ''],
  'an empty Host': ['GET /a HTTP/1.1\r\nhost:\r\nconnection: close\r\n\r\n', ''],
  'a Host of 255 octets': [
    `GET /a HTTP/1.1\r\nhost: ${'x'.repeat(255)}\r\nconnection: close\r\n\r\n`,
    '',
  ],
  'an address as Host': ['GET /a HTTP/1.1\r\nhost: [::1]:8080\r\nconnection: close\r\n\r\n', ''],
  'HTTP/1.0 without Host': ['GET /a HTTP/1.0\r\n\r\n', ''],
  'a length nominated in Connection': [
    'POST /a HTTP/1.1\r\nhost: x\r\nconnection: close, content-length\r\ncontent-length: 2\r\n\r\nab',
    'ab',
  ],
}

t.test('what has one meaning passes, framed anew', async (t) => {
  const { api, port } = await start(t)
  for (const [what, [bytes, body]] of Object.entries(PASSED)) {
    t.match(await exchange(port, bytes), /^HTTP\/1\.1 200 OK\r\n/, what)
    const sent = api.requests.at(-1)
    t.equal(sent?.body.toString(), body, what)
    t.match(sent?.headers, { trailer: undefined, 'x-t': undefined, 'x-forwarded-for': undefined })
    t.equal(sent?.headers.authorization, `Bearer ${TOKEN}`, what)
  }
  t.equal(api.requests.length, Object.keys(PASSED).length)
})

t.test('a refusal reaches a caller that is still sending', async (t) => {
  const { port } = await start(t)
  const large = Buffer.alloc(1024 * 1024)
  for (const method of ['POST', 'HEAD']) {
    const socket = net.connect(port, '127.0.0.1')
    socket.write(`${method} / HTTP/1.1\r\nhost: x\r\nhost: y\r\n`)
    socket.write(`content-length: ${2 * large.length}\r\n\r\n`)
    socket.write(large)
    const [answer] = (await once(socket, 'data')) as [Buffer]
    t.match(answer.toString(), /^HTTP\/1\.1 400 [^]*connection: close\r\n/i)
    socket.end(large)
    await t.resolves(once(socket, 'close'), 'it is not reset')
  }
})

t.test('pipelined requests are answered in order, and as many as were sent', async (t) => {
  const { api, port } = await start(t)
  const answer = await exchange(
    port,
    'POST /1 HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nfirst' +
      'POST /2 HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n6\r\nsecond\r\n0\r\n\r\n' +
      'POST /3 HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 5\r\n\r\nthird' +
      'GET /4 HTTP/1.1\r\nhost: x\r\n\r\n',
  )
  t.match(answer, /first[^]+second[^]+third$/)
  t.same(api.requests.map(({ url }) => url).toSorted(), ['/1', '/2', '/3'])
})

t.test('fields that another server could take for framing or identity are dropped', async (t) => {
  const { api, port } = await start(t)
  const dropped = [
    'Transfer_Encoding: chunked',
    'Content_Length: 5',
    'X_Forwarded_For: 10.0.0.1',
    'X-Forwarded_Host: inner',
    'x_cf_app_instance: guid:0',
    'X_Real_IP: 10.0.0.1',
    'Proxy_Authorization: Basic x',
    'X_Correlation_ID: other',
    'TE: trailers',
    'Keep-Alive: timeout=5',
    'Proxy-Connection: keep-alive',
    'Authorization: Basic x',
  ]
  const connection = 'Connection: authorization, x-correlation-id, te, x_hop\r\nX_Hop: 1\r\n'
  const kept = 'Sap_Client: 100\r\nCookie: a=1\r\nCookie: b=2\r\n'
  await exchange(port, get(`${dropped.join('\r\n')}\r\n${connection}${kept}`))
  const [sent] = api.requests
  const names = sent?.rawHeaders.filter((_, i) => i % 2 === 0).map((name) => name.toLowerCase())
  t.same(
    names?.filter((name) => name.includes('_')),
    ['sap_client'],
  )
  t.equal(names?.filter((name) => name === 'authorization').length, 1)
  t.equal(names?.filter((name) => name === 'cookie').length, 2)
  t.equal(sent?.headers.authorization, `Bearer ${TOKEN}`)
  t.match(sent?.headers, { te: undefined, 'proxy-connection': undefined, connection: 'keep-alive' })
})

t.test('pitfall 7: 1,500 small fields pass, those of framing behind them included', async (t) => {
  const { api, port } = await start(t)
  const many = Array.from({ length: 1_500 }, (_, i) => `x-${i}: ${i}\r\n`).join('')
  t.match(await exchange(port, post(`${many}content-length: 2\r\n`, 'ab')), /\r\n\r\nab$/)
  t.equal(api.requests[0]?.headers['x-1499'], '1499')
  t.equal(api.requests[0]?.rawHeaders.filter((name) => name.startsWith('x-')).length, 1_503)
})

const field = (bytes: number): string => get(`x-large: ${'x'.repeat(bytes)}\r\n`)

t.test('64 KB of fields are the limit', async (t) => {
  const { api, port } = await start(t)
  t.match(await exchange(port, field(65_000)), /^HTTP\/1\.1 200 /)
  t.match(await exchange(port, field(65_536)), /^HTTP\/1\.1 431 /)
  t.match(await exchange(port, field(10)), /^HTTP\/1\.1 200 /, 'and the next request works')
  t.equal(api.requests.length, 2)
})

/** The bytes of the API's answer → what the caller gets of it. */
const fromApi = async (t: Test, bytes: string, method = 'GET') => {
  const api = await startRawServer(t, (socket) =>
    socket.on('data', () => void socket.write(bytes, 'latin1')),
  )
  const { port } = await startProxy(t, { api: api.url })
  const answer = await exchange(port, `${method} /a HTTP/1.1\r\n${HOST}\r\n`)
  const next = await exchange(port, `${method} /a HTTP/1.1\r\n${HOST}\r\n`)
  t.equal(next.split('\r\n', 1)[0], answer.split('\r\n', 1)[0], 'the next request works alike')
  return answer
}

const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n'

const ANSWERS: Readonly<Record<string, readonly [bytes: string, answer: RegExp, method?: string]>> =
  {
    'interim answers are passed over': [
      `${'HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n'.repeat(3)}HTTP/1.1 102 Processing\r\n\r\n${OK}\r\nok`,
      /^HTTP\/1\.1 200 OK\r\n[^]*\r\n\r\nok$/,
    ],
    '100 that nobody asked for is no answer': [
      `HTTP/1.1 100 Continue\r\n\r\n${OK}\r\nok`,
      /^HTTP\/1\.1 502 [^]*upstream_reset/,
    ],
    '101 that nobody asked for is no answer': [
      'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n',
      /^HTTP\/1\.1 502 [^]*upstream_reset/,
    ],
    'endless interim answers are none': [
      'HTTP/1.1 103 Early Hints\r\n\r\n'.repeat(101),
      /^HTTP\/1\.1 502 [^]*upstream_reset/,
    ],
    'HEAD has the length of what it does not have': [
      'HTTP/1.1 200 OK\r\ncontent-length: 4711\r\n\r\n',
      /^HTTP\/1\.1 200 OK\r\ncontent-length: 4711\r\n(?:[^\r]+\r\n)+\r\n$/,
      'HEAD',
    ],
    '204 has no body': [
      'HTTP/1.1 204 No Content\r\ncontent-length: 0\r\n\r\n',
      /^HTTP\/1\.1 204 No Content\r\n(?:[^\r]+\r\n)+\r\n$/,
    ],
    '304 may say a length': [
      'HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\netag: "1"\r\n\r\n',
      /^HTTP\/1\.1 304 Not Modified\r\ncontent-length: 5\r\netag: "1"\r\n(?:[^\r]+\r\n)+\r\n$/,
    ],
    'trailers are dropped': [
      'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-t\r\n\r\n2;a=b\r\nok\r\n0\r\nx-t: 1\r\n\r\n',
      /^HTTP\/1\.1 200 OK\r\n(?!trailer)[^]*\r\n\r\n2\r\nok\r\n0\r\n\r\n$/,
    ],
    'each Set-Cookie stays a field of its own': [
      `${OK}set-cookie: a=1\r\nSet-Cookie: b=2\r\nset-cookie: a=1\r\n\r\nok`,
      /set-cookie: a=1\r\nSet-Cookie: b=2\r\nset-cookie: a=1\r\n/,
    ],
    'a reason phrase in another alphabet is left out': [
      `HTTP/1.1 200 \xe2\x82\xac\xff\r\ncontent-length: 2\r\n\r\nok`,
      /^HTTP\/1\.1 200 \r\ncontent-length: 2\r\n[^]*\r\n\r\nok$/,
    ],
    'a control character in a reason phrase as well': [
      'HTTP/1.1 200 a\x01b\r\ncontent-length: 0\r\n\r\n',
      /^HTTP\/1\.1 200 \r\n/,
    ],
    'two lengths are no answer': [
      `${OK}content-length: 20\r\n\r\nok`,
      /^HTTP\/1\.1 502 [^]*upstream_reset/,
    ],
    'a length and a coding are no answer': [
      `${OK}transfer-encoding: chunked\r\n\r\n0\r\n\r\n`,
      /^HTTP\/1\.1 502 [^]*upstream_reset/,
    ],
    'a transfer coding that was not asked for is no answer': [
      'HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n6\r\ncanary\r\n0\r\n\r\n',
      /^HTTP\/1\.1 502 (?![^]*canary)[^]*upstream_reset[^]*transfer coding/,
    ],
    'one in a field of its own is none either': [
      'HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n6\r\ncanary\r\n0\r\n\r\n',
      /^HTTP\/1\.1 502 (?![^]*canary)[^]*upstream_reset[^]*transfer coding/,
    ],
    'one that ends with the connection is none either': [
      'HTTP/1.1 200 OK\r\ntransfer-encoding: deflate\r\n\r\ncanary',
      /^HTTP\/1\.1 502 (?![^]*canary)[^]*upstream_reset[^]*transfer coding/,
    ],
    'bare LF is no answer': [
      'HTTP/1.1 200 OK\ncontent-length: 2\n\nok',
      /^HTTP\/1\.1 502 [^]*upstream_reset/,
    ],
    'a folded line is no answer': [
      `${OK}x-a: b\r\n c\r\n\r\nok`,
      /^HTTP\/1\.1 502 [^]*upstream_reset/,
    ],
    'a second answer goes to nobody': [
      `${OK}\r\nok${OK}x-poison: 1\r\n\r\nno`,
      /^(?![^]*poison)HTTP\/1\.1 200 OK\r\n[^]*\r\n\r\nok$/,
    ],
  }

for (const [title, [bytes, expected, method]] of Object.entries(ANSWERS)) {
  t.test(`an answer of the API: ${title}`, async (t) => {
    t.match(await fromApi(t, bytes, method), expected)
  })
}

t.test('Expect is answered here, and Upgrade is not done', async (t) => {
  const { api, port } = await start(t)
  const expecting = await exchange(
    port,
    post('expect: 100-continue\r\ncontent-length: 2\r\n', 'ab'),
  )
  t.match(expecting, /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 OK\r\n[^]*ab$/)
  const upgrading = await exchange(
    port,
    'GET /a HTTP/1.1\r\nhost: x\r\nconnection: upgrade, close\r\nupgrade: websocket\r\n\r\n',
  )
  t.match(upgrading, /^HTTP\/1\.1 200 OK\r\n/)
  for (const { headers } of api.requests)
    t.match(headers, { expect: undefined, upgrade: undefined })
})

t.test('a refused request is not asked for its body', async (t) => {
  const { api, port } = await start(t, { SKP_MAX_BODY: '1KB' })
  for (const [fields, status] of [
    ['expect: 100-continue\r\ncontent-length: 2000\r\n', /^HTTP\/1\.1 413 /],
    ['expect: 100-continue\r\nhost: y\r\ncontent-length: 2\r\n', /^HTTP\/1\.1 400 /],
  ] as const) {
    const answer = await exchangePolitely(port, post(fields, ''))
    t.match(answer, status)
    t.notMatch(answer, /100 Continue/)
  }
  t.equal((await call(port)).status, 200, 'the next request works')
  t.equal(api.requests.length, 1)
})

/** Too long to be written together with its head. */
const SECOND = 'second'.padStart(20_000, '.')

t.test('100 Continue for a pipelined request comes in its turn, or not at all', async (t) => {
  let finishFirst: (() => void) | undefined
  const api = await startServer(t, ({ url }, response) => {
    if (url === '/first') finishFirst = () => response.end('first')
    // Its answer waits at the proxy for its turn.
    else response.end(SECOND, () => setTimeout(() => finishFirst?.(), 50))
  })
  const { port } = await startProxy(t, { api: api.url })
  const answer = await exchange(
    port,
    'GET /first HTTP/1.1\r\nhost: x\r\n\r\n' +
      post('expect: 100-continue\r\ncontent-length: 2\r\n', 'ab'),
  )
  t.match(
    answer,
    /\r\n\r\nfirst(?:HTTP\/1\.1 100 Continue\r\n\r\n)?HTTP\/1\.1 200 OK\r\n(?:[^\r]+\r\n)+\r\n\.+second$/,
  )
})

t.test('a CONNECT whose caller resets the connection ends nothing else', async (t) => {
  const { port } = await start(t)
  const socket = net.connect(port, '127.0.0.1')
  socket.on('error', () => {})
  socket.write('CONNECT x:443 HTTP/1.1\r\nhost: x\r\n\r\n')
  await once(socket, 'readable')
  socket.resetAndDestroy()
  for (let round = 0; round < 3; round += 1) t.equal((await call(port)).status, 200)
})
