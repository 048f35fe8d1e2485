/** SKP_EXPLAIN on the wire. */
import t from 'tap'
import { once } from 'node:events'
import http from 'node:http'
import { call } from '../fixtures/http-client.ts'
import { startProxy, startTokenServer } from '../fixtures/proxy.ts'
import { startServer, startStreamingServer } from '../fixtures/recording-server.ts'
import { ServerTiming } from '../../src/proxy/server-timing.ts'

const ON = { SKP_EXPLAIN: 'on' }
const FIELD = 'server-timing'
const MS = String.raw`dur=\d+\.\d`

t.test('off unless it is asked for, and the own field of the API passes', async (t) => {
  const api = await startServer(t, (_request, response) => {
    response.setHeader(FIELD, 'db;dur=3')
    response.end('{}')
  })
  const plain = await startProxy(t, { api: api.url })
  t.equal((await call(plain.port)).headers[FIELD], 'db;dur=3')
  const { port } = await startProxy(t, { api: api.url, settings: ON })
  t.match((await call(port)).headers[FIELD], /^db;dur=3, token;/)
})

t.test('an answer of the API: how the token was come by, the API, all of it', async (t) => {
  const { port } = await startProxy(t, {
    api: (await startServer(t, (_request, response) => response.end('{}'))).url,
    settings: ON,
  })
  const first = String((await call(port)).headers[FIELD])
  t.match(first, new RegExp(`^token;desc="(?:waited";${MS}|cached"), upstream;${MS}, total;${MS}$`))
  const second = String((await call(port)).headers[FIELD])
  t.match(second, new RegExp(`^token;desc="cached", upstream;${MS}, total;${MS}$`))
  const json = await call(port, { headers: { accept: 'application/json' } })
  t.match(json.headers[FIELD], /total/, 'whatever becomes of its links')
})

t.test('a token that was waited for, and one that was renewed', async (t) => {
  let refused = false
  const api = await startServer(t, ({ method }, response) => {
    response.statusCode = refused ? 200 : 401
    if (method === 'GET') refused = true
    response.end('{}')
  })
  const tokens = await startTokenServer(t)
  const endpoint = `${tokens.url}/oauth/token`
  const { port } = await startProxy(t, { api: api.url, tokenEndpoint: endpoint, settings: ON })
  const write = await call(port, { method: 'POST', body: '{}' })
  t.equal(write.headers['x-error-code'], 'token_refreshed_retry')
  t.match(write.headers[FIELD], new RegExp(`^token;desc="refreshed";${MS}, upstream`))
  const again = await startProxy(t, { api: api.url, tokenEndpoint: endpoint, settings: ON })
  const read = await call(again.port)
  t.equal(read.status, 200)
  t.match(read.headers[FIELD], new RegExp(`^token;desc="refreshed";${MS}, upstream;${MS}, total`))
})

t.test('an own answer tells what there was before it', async (t) => {
  const refused = await startProxy(t, { settings: { ...ON, SKP_ACCESS: 'read-only' } })
  const denied = await call(refused.port, { method: 'DELETE' })
  t.match(denied.headers[FIELD], new RegExp(`^total;${MS}$`))
  const away = await call(refused.port)
  t.equal(away.headers['x-error-code'], 'upstream_connect')
  t.match(away.headers[FIELD], new RegExp(`^token;desc="[a-z]+".*, upstream;${MS}, total;${MS}$`))
  const tokenEndpoint = 'http://127.0.0.1:1/oauth/token'
  const none = await startProxy(t, { tokenEndpoint, settings: { ...ON, SKP_TOKEN_WAIT: '10ms' } })
  const failed = await call(none.port)
  t.equal(failed.headers['x-error-code'], 'token_unavailable')
  t.match(failed.headers[FIELD], new RegExp(`^token;desc="waited";${MS}, total;${MS}$`))
})

t.test('of a streamed answer it ends with the head', async (t) => {
  const open: http.ServerResponse[] = []
  const api = await startStreamingServer(t, (_request, response) => {
    open.push(response)
    response.write('piece')
  })
  const { port } = await startProxy(t, { api: api.url, settings: ON })
  const request = http.get({ port, host: '127.0.0.1', agent: false })
  const [answer] = (await once(request, 'response')) as [http.IncomingMessage]
  t.match(answer.headers[FIELD], /total/, 'while the body has not ended')
  open[0]?.end()
  answer.resume()
  await once(answer, 'end')
})

t.test('waiting between two tries counts for the token, and not for the API', async (t) => {
  let now = 0
  const timing = new ServerTiming(() => now)
  const context = { startedAt: 0, token: 'replayed', sentAt: 2 } as const
  now = 10
  timing.waits()
  now = 14
  timing.goesOn(context)
  now = 20
  t.equal(
    timing.describe(context),
    'token;desc="refreshed";dur=4.0, upstream;dur=14.0, total;dur=20.0',
  )
})
