import t from 'tap'
import { call } from '../fixtures/http-client.ts'
import { startProxy } from '../fixtures/proxy.ts'
import { startServer } from '../fixtures/recording-server.ts'

/** An API that refuses the first token it sees for each path. */
const start = async (t: Parameters<typeof startServer>[0]) => {
  const seen = new Set<string>()
  const api = await startServer(t, (request, response) => {
    const known = seen.has(request.url)
    seen.add(request.url)
    response.writeHead(known ? 200 : 401).end()
  })
  const { port } = await startProxy(t, { api: api.url })
  return { api, port }
}

t.test('a write that hides in a GET is not sent twice', async (t) => {
  for (const [path, headers] of [
    ['/a', { 'X-HTTP-Method': 'POST' }],
    ['/b', { 'x-http-method-override': 'DELETE' }],
    ['/c?_method=POST', {}],
    ['/d', { 'X-HTTP-Method': 'POST, GET' }],
  ] as const) {
    const { api, port } = await start(t)
    const answer = await call(port, { path, headers })
    t.equal(answer.headers['x-error-code'], 'token_refreshed_retry', path)
    t.equal(api.requests.length, 1)
  }
})

t.test('a plain read is', async (t) => {
  for (const [path, headers] of [
    ['/a', {}],
    ['/b?$top=1&method=x', { 'X-HTTP-Method': 'GET' }],
  ] as const) {
    const { api, port } = await start(t)
    t.equal((await call(port, { path, headers })).status, 200, path)
    t.equal(api.requests.length, 2)
  }
})
