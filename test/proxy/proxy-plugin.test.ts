import type { FastifyReply, FastifyRequest } from 'fastify'
import t, { type Test } from 'tap'
import { sparingly } from '../../src/proxy/proxy-plugin.ts'
import { call, type Call } from '../fixtures/http-client.ts'
import { startProxy } from '../fixtures/proxy.ts'
import { startServer, startStreamingServer } from '../fixtures/recording-server.ts'

t.test('more requests than SKP_MAX_IN_FLIGHT are told so at once, and only those', async (t) => {
  const waiting: (() => void)[] = []
  const api = await startStreamingServer(t, (_request, response) => {
    waiting.push(() => response.end('done'))
  })
  const { port } = await startProxy(t, { api: api.url, settings: { SKP_MAX_IN_FLIGHT: '2' } })
  const admitted = [call(port), call(port)]
  while (waiting.length < 2) await new Promise(setImmediate)
  const refused = await call(port)
  t.match(refused, {
    status: 503,
    headers: { 'x-error-code': 'overloaded', 'retry-after': '1' },
  })
  t.match(refused.body.toString(), /SKP_MAX_IN_FLIGHT=2/)
  t.equal((await call(port, { path: '/-/live' })).status, 200, 'probes do not count')
  for (const finish of waiting) finish()
  t.match(await Promise.all(admitted), [{ status: 200 }, { status: 200 }])
  const next = call(port)
  while (waiting.length < 3) await new Promise(setImmediate)
  waiting[2]?.()
  t.equal((await next).status, 200)
})

t.test('bodies above SKP_MAX_BODY are refused', async (t) => {
  const api = await startServer(t, ({ body }, response) => response.end(String(body.length)))
  const { port } = await startProxy(t, { api: api.url, settings: { SKP_MAX_BODY: '100KB' } })
  const limit = 100 * 1024

  t.test('at once where their length is known', async (t) => {
    const fits = await call(port, { method: 'POST', body: Buffer.alloc(limit) })
    t.match(fits, { status: 200 })
    const before = api.requests.length
    const headers = { 'content-length': limit + 1 }
    const answer = await call(port, { method: 'POST', body: Buffer.alloc(limit + 1), headers })
    t.match(answer, { status: 413, headers: { 'x-error-code': 'body_too_large' } })
    t.equal(api.requests.length, before)
  })

  t.test('on the way where it is not', async (t) => {
    const headers = { 'transfer-encoding': 'chunked' }
    const fits = await call(port, { method: 'POST', body: Buffer.alloc(limit), headers })
    t.equal(fits.body.toString(), String(limit))
    const before = api.requests.length
    const answer = await call(port, { method: 'POST', body: Buffer.alloc(limit + 1), headers })
    t.match(answer, { status: 413, headers: { 'x-error-code': 'body_too_large' } })
    t.equal(api.requests.length, before, 'the API never sees a whole one')
    t.equal((await call(port)).status, 200, 'and the next request works')
  })
})

t.test('a body that grows too large while a token is awaited crashes nothing', async (t) => {
  let grant: (() => void) | undefined
  const tokens = await startServer(t, (_request, response) => {
    grant = () => response.end('{"access_token":"abc"}')
  })
  const api = await startServer(t, (_request, response) => response.end('ok'))
  const { port } = await startProxy(t, {
    api: api.url,
    tokenEndpoint: `${tokens.url}/oauth/token`,
    settings: { SKP_MAX_BODY: '10KB' },
  })
  const answer = call(port, {
    method: 'POST',
    body: Buffer.alloc(200 * 1024),
    headers: { 'transfer-encoding': 'chunked' },
  })
  while (grant === undefined) await new Promise(setImmediate)
  for (let turn = 0; turn < 100; turn += 1) await new Promise(setImmediate)
  grant()
  t.match(await answer, { status: 413, headers: { 'x-error-code': 'body_too_large' } })
  t.equal(api.requests.length, 0)
  t.equal((await call(port)).status, 200)
})

t.test('a path that is not plain goes through the check of http-proxy', async (t) => {
  const ways: string[] = []
  const preHandler = sparingly(() => ways.push('handled'))
  for (const url of ["/Vendor('1')?$filter=%20", "/Vendor('%20')", '/.//Vendor']) {
    preHandler({ raw: { url } } as FastifyRequest, {} as FastifyReply, () => ways.push('checked'))
  }
  t.same(ways, ['handled', 'checked', 'checked'])
})

/** A server that sends requests on to a proxy that listens later, but for those to `/elsewhere`. */
const startRelay = async (t: Test) => {
  let to = 0
  const server = await startServer(t, ({ url, method, rawHeaders, body }, response) => {
    if (url.startsWith('/elsewhere')) return void response.end('served')
    void call(to, { method, path: url, headers: rawHeaders, body }).then((answer) =>
      response.writeHead(answer.status, answer.headers).end(answer.body),
    )
  })
  return { server, leadTo: (port: number) => void (to = port) }
}

t.test('a base URL that leads back ends at once, and serves what does not', async (t) => {
  const { server, leadTo } = await startRelay(t)
  const settings = { SKP_CALLER_TOKEN: 'canary-caller-token' }
  const { port, log } = await startProxy(t, { api: server.url, settings })
  leadTo(port)
  // What comes back has no token of a caller: still it is a loop, and no caller without a token.
  const headers = { 'x-caller-token': settings.SKP_CALLER_TOKEN }
  const requests: Call[] = [{}, { method: 'POST', body: 'x' }, { method: 'POST', body: LARGE_BODY }]
  for (const request of requests) {
    const before = server.requests.length
    const [answer, other] = await Promise.all([
      call(port, { ...request, headers }),
      call(port, { path: '/elsewhere', headers }),
    ])
    t.match(answer, { status: 502, headers: { 'x-error-code': 'upstream_loop' } })
    t.match(answer.body.toString(), /The base URL of the service key leads back/)
    t.match(other, { status: 200, body: Buffer.from('served') })
    t.equal(server.requests.length, before + 2, 'it goes round once')
  }
  t.equal(log.filter(({ error_code }) => error_code === 'upstream_loop').length, requests.length)
})

const LARGE_BODY = Buffer.alloc(200 * 1024)

t.test('a loop through another proxy of this kind is one', async (t) => {
  const { server, leadTo } = await startRelay(t)
  const second = await startProxy(t, { api: server.url })
  const first = await startProxy(t, { api: `http://127.0.0.1:${second.port}` })
  leadTo(first.port)
  t.match(await call(first.port), { status: 502, headers: { 'x-error-code': 'upstream_loop' } })
  t.equal(server.requests.length, 1)
})

t.test('another proxy of this kind on the way is none', async (t) => {
  const api = await startServer(t, (_request, response) => response.end('served'))
  let { port } = await startProxy(t, { api: api.url })
  for (let i = 0; i < 2; i += 1)
    port = (await startProxy(t, { api: `http://127.0.0.1:${port}` })).port
  for (let round = 0; round < 2; round += 1) t.equal((await call(port)).status, 200)
  const [one, two] = api.requests.map(({ headers }) => headers['x-service-key-proxy'])
  t.match(one, /^[\w-]{16}, [\w-]{16}, [\w-]{16}$/)
  t.equal(one, two, 'a process has one word')
})
