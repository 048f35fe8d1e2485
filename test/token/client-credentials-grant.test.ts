import t, { type Test } from 'tap'
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from 'node:zlib'
import { createCertificateAuthority } from '../../demo/certificate-authority.ts'
import { systemClock } from '../../src/clock.ts'
import {
  ClientCredentialsGrant,
  type ClientCredentialsOptions,
} from '../../src/token/client-credentials-grant.ts'
import { collectGarbage } from '../fixtures/collector.ts'
import { startRawServer, startServer } from '../fixtures/recording-server.ts'

const NEVER = new AbortController().signal
const SECRET = 'a+b/c=d&e f$g'

const granted = (fields: object = {}): string =>
  JSON.stringify({
    access_token: 'abc.def.ghi',
    token_type: 'bearer',
    expires_in: 43_199,
    ...fields,
  })

const createGrant = (t: Test, url: string, options: Partial<ClientCredentialsOptions> = {}) => {
  const grant = new ClientCredentialsGrant({
    endpoint: new URL(`${url}/oauth/token`),
    clientId: 'sb-client!b1|intas!b2',
    authentication: { method: 'client_secret_post', clientSecret: SECRET },
    scope: undefined,
    params: undefined,
    ca: undefined,
    proxy: undefined,
    timeout: 5_000,
    userAgent: 'service-key-proxy/test',
    clock: systemClock,
    random: () => 0.5,
    ...options,
  })
  t.teardown(() => grant.close())
  return grant
}

t.test('sends the credential in the form body, and nowhere else', async (t) => {
  const server = await startServer(t, (_request, response) => response.end(granted()))
  const outcome = await createGrant(t, server.url).request(NEVER)
  t.match(outcome, {
    ok: true,
    token: { authorization: 'Bearer abc.def.ghi', lifetime: 43_199_000 },
  })
  const [request] = server.requests
  t.match(request, { method: 'POST', url: '/oauth/token' })
  t.equal(request?.headers.authorization, undefined, 'SAP misreads a + in HTTP Basic')
  t.equal(request?.headers['content-type'], 'application/x-www-form-urlencoded')
  t.equal(request?.headers['user-agent'], 'service-key-proxy/test')
  t.equal(request?.headers.accept, 'application/json')
  t.equal(request?.headers['accept-encoding'], 'identity')
  t.equal(request?.headers.connection, 'close', 'the next exchange is hours away')
  const form = new URLSearchParams(request?.body.toString())
  t.same(Object.fromEntries(form), {
    grant_type: 'client_credentials',
    client_id: 'sb-client!b1|intas!b2',
    client_secret: SECRET,
  })
})

t.test('asks for a scope when there is one', async (t) => {
  const server = await startServer(t, (_request, response) => response.end(granted()))
  await createGrant(t, server.url, { scope: 'uaa.resource' }).request(NEVER)
  t.match(server.requests[0]?.body.toString(), /&scope=uaa\.resource$/)
})

t.test('adds further parameters, which cannot replace those of the grant', async (t) => {
  const server = await startServer(t, (_request, response) => response.end(granted()))
  const params = 'token_format=opaque&client_secret=evil&grant_type=password'
  await createGrant(t, server.url, { params }).request(NEVER)
  const form = new URLSearchParams(server.requests[0]?.body.toString())
  t.equal(form.get('token_format'), 'opaque')
  t.same(form.getAll('client_secret'), [SECRET])
  t.same(form.getAll('grant_type'), ['client_credentials'])
})

t.test('measures age from before the request was sent', async (t) => {
  let arrivedAt = Number.NaN
  const server = await startServer(t, (_request, response) => {
    arrivedAt = systemClock.now().monotonic
    response.end(granted())
  })
  const outcome = await createGrant(t, server.url).request(NEVER)
  t.ok(outcome.ok && outcome.token.requestedAt.monotonic < arrivedAt)
})

t.test('tells why there is no token, without a word of the answer', async (t) => {
  const cases: readonly [string, number, Record<string, string>, string, string][] = [
    ['a wrong secret', 401, {}, '{"error":"invalid_client"}', 'rejected'],
    ['too many requests', 429, { 'retry-after': '7' }, 'CANARY', 'rate_limited'],
    ['an outage', 503, {}, 'CANARY', 'transient'],
    ['a web page', 200, { 'content-type': 'text/html' }, 'CANARY', 'misconfigured'],
    ['no JSON', 200, {}, 'CANARY', 'transient'],
    ['an empty answer', 200, {}, '', 'transient'],
    ['no token', 200, {}, '{"CANARY":1}', 'transient'],
    [
      'a line break in the token',
      200,
      {},
      granted({ access_token: 'CANARY\r\nx: y' }),
      'transient',
    ],
    ['an answer above 256 KB', 200, {}, `CANARY${'x'.repeat(256 * 1024)}`, 'transient'],
  ]
  for (const [name, status, headers, body, kind] of cases) {
    const server = await startServer(t, (_request, response) => {
      response.writeHead(status, headers).end(body)
    })
    const outcome = await createGrant(t, server.url).request(NEVER)
    t.match(outcome, { ok: false, failure: { kind } }, name)
    t.notMatch(JSON.stringify(outcome), /CANARY/, name)
  }
})

t.test('undoes a content coding that was not asked for', async (t) => {
  const body = granted()
  const codings: readonly (readonly [string, Buffer])[] = [
    ['gzip', gzipSync(body)],
    ['X-GZIP', gzipSync(body)],
    ['deflate', deflateSync(body)],
    ['deflate', deflateRawSync(body)],
    ['br', brotliCompressSync(body)],
    ['deflate, identity, gzip', gzipSync(deflateSync(body))],
    ['identity', Buffer.from(body)],
    ['', Buffer.from(`\ufeff${body}`)],
  ]
  for (const [coding, bytes] of codings) {
    const server = await startServer(t, (_request, response) => {
      response.writeHead(200, { 'content-encoding': coding }).end(bytes)
    })
    t.match(
      await createGrant(t, server.url).request(NEVER),
      { ok: true, token: { authorization: 'Bearer abc.def.ghi' } },
      coding,
    )
  }
  const server = await startServer(t, (_request, response) => {
    response.writeHead(401, { 'content-encoding': 'gzip' })
    response.end(gzipSync('{"error":"invalid_client"}'))
  })
  const refused = { kind: 'rejected', reason: 'answered 401 invalid_client' }
  t.match(await createGrant(t, server.url).request(NEVER), { ok: false, failure: refused })
})

t.test('reads no more than 256 KB, also of what is compressed, and nothing broken', async (t) => {
  const large = (size: number) => Buffer.from(granted({ filler: ' '.repeat(size) }))
  const fits = large(255 * 1024)
  const over = large(256 * 1024)
  const cases: readonly (readonly [string, Buffer, boolean])[] = [
    ['gzip', gzipSync(fits), true],
    ['gzip', gzipSync(over), false],
    ['deflate', deflateSync(over), false],
    ['deflate', deflateRawSync(over), false],
    ['br', brotliCompressSync(over), false],
    ['gzip, gzip', gzipSync(gzipSync(Buffer.alloc(64 * 1024 * 1024))), false],
    ['gzip', gzipSync(fits).subarray(0, -9), false],
    ['gzip', Buffer.from(granted()), false],
    ['gzip', Buffer.alloc(0), false],
    ['deflate', Buffer.alloc(0), false],
    ['zstd', Buffer.from(granted()), false],
    ['constructor', Buffer.from(granted()), false],
    ['gzip, gzip, gzip', gzipSync(gzipSync(gzipSync(granted()))), false],
  ]
  const reason = 'answered 200 with a body that cannot be decoded'
  for (const [coding, bytes, ok] of cases) {
    const server = await startServer(t, (_request, response) => {
      response.writeHead(200, { 'content-encoding': coding }).end(bytes)
    })
    const outcome = await createGrant(t, server.url).request(NEVER)
    t.match(outcome, ok ? { ok } : { ok, failure: { kind: 'transient', reason } }, coding)
  }
})

t.test('reads the first of repeated fields', async (t) => {
  const server = await startServer(t, (_request, response) => {
    response.writeHead(429, ['Retry-After', '7', 'Retry-After', '9']).end()
  })
  const outcome = await createGrant(t, server.url).request(NEVER)
  t.match(outcome, { ok: false, failure: { kind: 'rate_limited', retryAfter: 7_000 } })
})

t.test('follows no redirect: the credential stays with the host of the key', async (t) => {
  const other = await startServer(t, (_request, response) => response.end(granted()))
  const server = await startServer(t, (_request, response) => {
    response.writeHead(307, { location: `${other.url}/oauth/token` }).end()
  })
  const outcome = await createGrant(t, server.url).request(NEVER)
  t.match(outcome, { ok: false, failure: { kind: 'misconfigured', status: 307 } })
  t.equal(other.requests.length, 0)
})

t.test('sends nothing to a server it cannot verify', async (t) => {
  const authority = await createCertificateAuthority()
  const stranger = await createCertificateAuthority('Stranger')
  const attacks = [
    ['of an unknown authority', await stranger.issueServer()],
    ['for another host', await authority.issueServer(['api.example.com'])],
  ] as const
  for (const [name, tls] of attacks) {
    const server = await startServer(t, (_request, response) => response.end(granted()), tls)
    const grant = createGrant(t, server.url, { ca: [authority.certificate] })
    t.match(await grant.request(NEVER), { ok: false, failure: { kind: 'transient' } }, name)
    t.equal(server.requests.length, 0, name)
  }
  const server = await startServer(
    t,
    (_request, response) => response.end(granted()),
    await authority.issueServer(),
  )
  const trusting = createGrant(t, server.url, { ca: [authority.certificate] })
  t.equal((await trusting.request(NEVER)).ok, true, 'the same authority, trusted')
})

t.test('gives up on a silent server after the timeout', async (t) => {
  const server = await startRawServer(t, () => {})
  const outcome = await createGrant(t, server.url, { timeout: 20 }).request(NEVER)
  const reason = 'gave no complete answer in time'
  t.match(outcome, { ok: false, failure: { kind: 'transient', reason } })
})

t.test('the timeout outlives a full garbage collection', async (t) => {
  const server = await startRawServer(t, () => collectGarbage())
  const outcome = await createGrant(t, server.url, { timeout: 100 }).request(NEVER)
  t.match(outcome, { ok: false, failure: { reason: 'gave no complete answer in time' } })
})

t.test('gives up on an answer that never ends after the timeout', async (t) => {
  const server = await startRawServer(t, (socket) => {
    socket.write('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{')
  })
  const outcome = await createGrant(t, server.url, { timeout: 50 }).request(NEVER)
  t.match(outcome, { ok: false, failure: { kind: 'transient' } })
})

t.test('reports a refused connection as transient', async (t) => {
  const server = await startServer(t, () => {})
  await server.close()
  const outcome = await createGrant(t, server.url).request(NEVER)
  const reason = 'could not be asked (ECONNREFUSED)'
  t.match(outcome, { ok: false, failure: { kind: 'transient', reason } })
})

t.test('ends early when told to', async (t) => {
  const server = await startRawServer(t, () => {})
  const controller = new AbortController()
  const outcome = createGrant(t, server.url).request(controller.signal)
  controller.abort()
  const reason = 'gave no complete answer in time'
  t.match(await outcome, { ok: false, failure: { kind: 'transient', reason } })
})

t.test('close ends an exchange that is under way', async (t) => {
  const server = await startRawServer(t, () => {})
  const grant = createGrant(t, server.url)
  const outcome = grant.request(NEVER)
  await grant.close()
  const reason = 'could not be asked (UND_ERR_DESTROYED)'
  t.match(await outcome, { ok: false, failure: { kind: 'transient', reason } })
})
