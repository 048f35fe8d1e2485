/**
 * Faults that this very stack (fastify, http-proxy, reply-from, undici, Node) has with its defaults.
 * Each test shows the attack or fault and that it does not happen here; the numbers are only names.
 */
import t, { type Test } from 'tap'
import { readFileSync, readdirSync } from 'node:fs'
import http from 'node:http'
import { createCertificateAuthority } from '../../demo/certificate-authority.ts'
import { systemClock } from '../../src/clock.ts'
import { UpstreamPool, type ConnectionAware } from '../../src/proxy/upstream.ts'
import { call, exchange } from '../fixtures/http-client.ts'
import { startProxy, TOKEN } from '../fixtures/proxy.ts'
import { startRawServer, startServer, startStreamingServer } from '../fixtures/recording-server.ts'

const echo = (t: Test) => startServer(t, (_request, response) => response.end('{}'))

t.test('1: the token goes to no API whose certificate cannot be verified', async (t) => {
  const authority = await createCertificateAuthority()
  const stranger = await createCertificateAuthority('Stranger')
  const attacks = [
    ['an unknown authority', await stranger.issueServer()],
    ['another host name', await authority.issueServer(['api.example.com'])],
    [
      'an expired certificate',
      await authority.issueServer(['127.0.0.1'], { notAfter: new Date(Date.now() - 1000) }),
    ],
  ] as const
  for (const [name, tls] of attacks) {
    const rogue = await startServer(t, (_request, response) => response.end('{}'), tls)
    const { port } = await startProxy(t, { api: rogue.url, ca: [authority.certificate] })
    const answer = await call(port, { path: '/Vendor' })
    t.equal(answer.status, 502, name)
    t.equal(answer.headers['x-error-code'], 'upstream_tls', name)
    t.equal(rogue.requests.length, 0, name)
  }
  const tls = await authority.issueServer()
  const trusted = await startServer(t, (_request, response) => response.end('{}'), tls)
  const { port } = await startProxy(t, { api: trusted.url, ca: [authority.certificate] })
  t.equal((await call(port)).status, 200, 'the trusted one is reached')
})

t.test('2: a caller that leaves before the answer cancels the request to the API', async (t) => {
  const cancelled: Promise<unknown>[] = []
  const api = await startStreamingServer(t, (request, response) => {
    if (request.url === '/next') {
      response.end('next')
      return
    }
    cancelled.push(new Promise((resolve) => response.once('close', resolve)))
    caller?.destroy()
  })
  const { port, log } = await startProxy(t, {
    api: api.url,
    settings: { SKP_UPSTREAM_CONNECTIONS: '1' },
  })
  let caller: http.ClientRequest | undefined
  const gone = new Promise((resolve) => {
    caller = http.get({ port, host: '127.0.0.1', path: '/slow', agent: false })
    caller.once('error', resolve)
  })
  await gone
  t.equal((await call(port, { path: '/next' })).status, 200, 'the only connection is free again')
  await Promise.all(cancelled)
  t.equal(cancelled.length, 1)
  const line = log.find(({ request }) => request === '/slow')
  t.match(line, { type: 'request', msg: 'GET /slow not finished' })
  t.equal(line?.['response_status'], undefined)
})

t.test('3: a 503 of the API is passed on, not asked for again', async (t) => {
  const api = await startServer(t, (_request, response) => {
    response.writeHead(503, { 'retry-after': '30' }).end('busy')
  })
  const { port } = await startProxy(t, { api: api.url })
  const answer = await call(port, { path: '/Vendor' })
  t.equal(answer.status, 503)
  t.equal(answer.headers['retry-after'], '30')
  t.equal(answer.headers['x-error-code'], undefined, 'it is the answer of the API')
  t.equal(answer.body.toString(), 'busy')
  t.equal(api.requests.length, 1)
})

t.test('5: bodies pass byte for byte, whatever their type', async (t) => {
  const api = await echo(t)
  const { port } = await startProxy(t, { api: api.url })
  const bytes = Buffer.from([0xff, 0xfe, 0x00, 0x80, 0x0d, 0x0a])
  const large = Buffer.alloc(3 * 1024 * 1024, 0xe9)
  const types = ['text/plain', 'application/json', 'multipart/mixed; boundary=b_1', ';', 'x', '']
  for (const type of types) {
    for (const body of [bytes, large]) {
      const headers = type === '' ? {} : { 'content-type': type }
      const { status } = await call(port, { method: 'POST', path: '/$batch', headers, body })
      t.equal(status, 200, type)
      const sent = api.requests.at(-1)
      t.ok(sent?.body.equals(body), type)
      t.equal(sent?.headers['content-type'], type === '' ? undefined : type)
    }
  }
})

t.test('6: Expect and Upgrade are answered here, not refused', async (t) => {
  const api = await echo(t)
  const { port } = await startProxy(t, { api: api.url })
  const expecting = await exchange(
    port,
    'POST /Vendor HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 2\r\n' +
      'connection: close\r\n\r\n{}',
  )
  t.match(expecting, /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 OK\r\n/)
  const upgrading = await exchange(
    port,
    'GET /Vendor HTTP/1.1\r\nhost: x\r\nupgrade: h2c\r\nhttp2-settings: AA\r\nconnection: close\r\n\r\n',
  )
  t.match(upgrading, /^HTTP\/1\.1 200 OK\r\n/)
  for (const { headers } of api.requests) {
    t.equal(headers.expect, undefined)
    t.equal(headers.upgrade, undefined)
    t.equal(headers['http2-settings'], undefined)
  }
})

t.test('9: transport failures have their own status, code and text', async (t) => {
  const closed = await echo(t)
  await closed.close()
  const silent = await startRawServer(t, () => {})
  const resetting = await startRawServer(t, (socket) => {
    socket.once('data', () => socket.resetAndDestroy())
  })
  const garbling = await startRawServer(t, (socket) => {
    socket.once('data', () => socket.end('SSH-2.0-OpenSSH_9.9\r\n'))
  })
  const cases: readonly [string, string, number, string][] = [
    ['refused', closed.url, 502, 'upstream_connect'],
    ['silent', silent.url, 504, 'upstream_timeout'],
    ['reset', resetting.url, 502, 'upstream_reset'],
    ['no HTTP', garbling.url, 502, 'upstream_reset'],
    ['unknown host', 'http://host.invalid', 502, 'upstream_dns'],
  ]
  for (const [name, api, status, code] of cases) {
    const { port } = await startProxy(t, { api, settings: { SKP_RESPONSE_TIMEOUT: '100ms' } })
    const answer = await call(port, { path: '/Vendor' })
    t.equal(answer.status, status, name)
    t.equal(answer.headers['x-error-code'], code, name)
    t.equal(answer.headers['x-error-origin'], 'service-key-proxy', name)
    const body = answer.body.toString()
    t.match(JSON.parse(body), { error: { code, message: { lang: 'en' } } }, name)
    t.notMatch(body, /127\.0\.0\.1|invalid\b|:\d{4}/, `${name}: no address in the body`)
  }
})

t.test('9: a timeout names the setting and its value', async (t) => {
  const api = await startRawServer(t, () => {})
  const { port } = await startProxy(t, { api: api.url, settings: { SKP_RESPONSE_TIMEOUT: '50ms' } })
  t.match((await call(port)).body.toString(), /SKP_RESPONSE_TIMEOUT=50ms/)
})

t.test('10: fields that the Connection field names stay on their connection', async (t) => {
  const api = await startServer(t, (_request, response) => {
    response.writeHead(200, {
      connection: 'x-internal, keep-alive',
      'x-internal': 'secret',
      'proxy-authenticate': 'Basic',
      'x-public': 'yes',
    })
    response.end()
  })
  const { port } = await startProxy(t, { api: api.url })
  const answer = await call(port, {
    headers: { connection: 'x-hop, authorization, close', 'x-hop': '1', te: 'trailers' },
  })
  t.equal(answer.headers['x-internal'], undefined)
  t.equal(answer.headers['proxy-authenticate'], undefined)
  t.equal(answer.headers['x-public'], 'yes')
  t.equal(api.requests[0]?.headers['x-hop'], undefined)
  t.equal(api.requests[0]?.headers['te'], undefined)
  t.equal(api.requests[0]?.headers.authorization, `Bearer ${TOKEN}`, 'cannot be nominated away')
})

t.test('13: legal OData keys pass, escapes from the base path do not', async (t) => {
  const api = await echo(t)
  const { port } = await startProxy(t, { api: `${api.url}/intas/entities/v1` })
  const legal = [
    "/P('a/..b')",
    "/Vendor('a%2Fb')?$filter=Name%20eq%20'x'&$expand=A,B;C?d",
    "/P(A='1',B=datetime'2026-01-01T00:00:00')/$value",
    '/Vendor?$filter=Name%20eq%20%27%E4%BD%A0%27&x=/../..',
    '/',
  ]
  for (const path of legal) {
    t.equal((await call(port, { path })).status, 200, path)
    t.equal(api.requests.at(-1)?.url, `/intas/entities/v1${path}`)
  }
  const before = api.requests.length
  const escapes = [
    '/../management/v1/ExportContent',
    '/..%2f..%2fmanagement',
    '/%2e%2e/%2e%2e/management',
    '/%252e%252e/management',
    '/..;/management',
    '/a/..\\..\\management',
    '//evil.example/Vendor',
    '/Vendor%',
    '/Vendor%zz',
    "/Vendor('%E4')",
  ]
  for (const path of escapes) {
    const answer = await exchange(
      port,
      `GET ${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`,
    )
    t.match(answer, /^HTTP\/1\.1 400 /, path)
    t.match(answer, /x-error-code: bad_request\r\n/, path)
    t.match(answer, /"code":"bad_request"/, path)
  }
  t.equal(api.requests.length, before, 'none of them reached the API')
})

t.test('15: a base URL without trailing slash keeps its last segment', async (t) => {
  const api = await echo(t)
  for (const [base, path, expected] of [
    ['/intas/entities/v1', '/Vendor', '/intas/entities/v1/Vendor'],
    ['/intas/entities/v1/', '/Vendor', '/intas/entities/v1/Vendor'],
    ['/intas/entities/v1', '/intas/entities/v1/Vendor?a', '/intas/entities/v1/Vendor?a'],
    ['', '/Vendor', '/Vendor'],
  ] as const) {
    const { port } = await startProxy(t, { api: api.url + base })
    await call(port, { path })
    t.equal(api.requests.at(-1)?.url, expected)
  }
})

t.test('17: idle connections outlive those of the router in front', async (t) => {
  const api = await echo(t)
  const { port } = await startProxy(t, { api: api.url })
  const answer = await call(port, { agent: new http.Agent({ keepAlive: true, maxSockets: 1 }) })
  const timeout = /timeout=(\d+)/.exec(String(answer.headers['keep-alive']))?.[1]
  t.ok(Number(timeout) >= 95, `keep-alive: timeout=${timeout}`)
})

t.test('18: routing fields and the sender are not passed on', async (t) => {
  const api = await echo(t)
  const { port } = await startProxy(t, { api: api.url })
  const dropped = {
    'x-cf-app-instance': 'guid:0',
    'X-CF-Process-Instance': 'guid:0',
    'x-forwarded-for': '10.0.0.1',
    'x-forwarded-host': 'inner',
    forwarded: 'for=10.0.0.1',
    'x-real-ip': '10.0.0.1',
    authorization: 'Basic Y2FsbGVyOnNlY3JldA==',
    'proxy-authorization': 'Basic x',
  }
  await call(port, { headers: { ...dropped, 'x-kept': '1' } })
  const [request] = api.requests
  for (const name of Object.keys(dropped).filter((header) => header !== 'authorization')) {
    t.equal(request?.headers[name.toLowerCase()], undefined, name)
  }
  t.equal(request?.headers['x-kept'], '1')
  t.equal(request?.headers.authorization, `Bearer ${TOKEN}`)
  t.equal(request?.rawHeaders.filter((name) => /^authorization$/i.test(name)).length, 1)
  t.equal(request?.headers.host, new URL(api.url).host)
})

t.test('20: nothing uses fetch() or HTTP/2, whose defaults are others', async (t) => {
  const source = new URL('../../src/', import.meta.url)
  const modules = readdirSync(source, { recursive: true, encoding: 'utf8' })
  for (const path of modules.filter((name) => name.endsWith('.ts'))) {
    const text = readFileSync(new URL(path, source), 'utf8')
    t.notMatch(text, /(?:await|return|[=(,]) fetch\(|node:http2|http2: true|allowH2: true/, path)
  }
})

t.test('23: an old connection is replaced, so that a DNS change is seen', async (t) => {
  const api = await echo(t)
  const limits = { connectTimeout: 5_000, responseTimeout: 5_000, idleTimeout: 5_000 }
  const queue = { clock: systemClock, queueTimeout: 5_000 }
  const pool = new UpstreamPool({
    origin: api.url,
    ca: undefined,
    proxy: undefined,
    connections: 1,
    ...limits,
    ...queue,
    maxHeaderSize: 8_192,
    connectionAge: 100,
  })
  t.teardown(() => pool.destroy())
  const ask = async (): Promise<number> => {
    await new Promise<void>((resolve, reject) => {
      const handler = {
        onRequestStart() {},
        onResponseStart() {},
        onResponseData() {},
        onResponseEnd: () => resolve(),
        onResponseError: (_controller: unknown, error: Error) => reject(error),
      }
      pool.dispatch({ path: '/', method: 'GET' }, handler as unknown as ConnectionAware)
    })
    return api.connections()
  }
  t.same([await ask(), await ask()], [1, 1], 'a young one is kept')
  await new Promise((resolve) => {
    setTimeout(resolve, 150)
  })
  t.equal(await ask(), 1, 'it serves once more')
  t.equal(api.requests.at(-1)?.headers.connection, 'close')
  t.same([await ask(), await ask()], [2, 2])
})

t.test('24: every way out of an exchange ends it', async (t) => {
  const api = await startRawServer(t, (socket) => {
    socket.once('data', () => {
      socket.write('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\npart', () => socket.destroy())
    })
  })
  const { port, log } = await startProxy(t, { api: api.url })
  await t.rejects(call(port), { code: 'ECONNRESET' }, 'a cut answer is visibly cut')
  t.match(
    log.filter(({ level }) => level === 'warn'),
    [{ msg: 'the exchange with the API failed' }],
  )
})
