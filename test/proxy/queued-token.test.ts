/** A request may wait for a connection for longer than its token lives. */
import t, { type Test } from 'tap'
import http from 'node:http'
import { call } from '../fixtures/http-client.ts'
import { createMovedClock } from '../fixtures/moved-clock.ts'
import { startProxy } from '../fixtures/proxy.ts'
import { startServer, startStreamingServer } from '../fixtures/recording-server.ts'

const HOUR_MS = 3_600_000

/** One connection, held by the first request; the clock can be moved while others queue. */
const startCongested = async (t: Test) => {
  const clock = createMovedClock()
  let issued = 0
  const tokens = await startServer(t, (_request, response) => {
    issued += 1
    response.end(JSON.stringify({ access_token: `token-${issued}`, expires_in: 3600 }))
  })
  const seen: string[] = []
  let release: (() => void) | undefined
  const api = await startStreamingServer(t, (request, response) => {
    seen.push(`${request.url} ${request.headers.authorization}`)
    request.resume()
    if (request.url === '/first') release = () => response.end('first')
    else response.end('ok')
  })
  const { port } = await startProxy(t, {
    api: api.url,
    tokenEndpoint: `${tokens.url}/oauth/token`,
    clock,
    settings: { SKP_UPSTREAM_CONNECTIONS: '1' },
  })
  const first = call(port, { path: '/first' })
  while (release === undefined) await new Promise(setImmediate)
  const expire = async (): Promise<void> => {
    for (let turn = 0; turn < 100; turn += 1) await new Promise(setImmediate)
    clock.state.later = 2 * HOUR_MS
    release?.()
    await first
  }
  return { port, seen, expire }
}

t.test('a token that expires in the queue is replaced, not sent', async (t) => {
  const { port, seen, expire } = await startCongested(t)
  const queued = [call(port, { path: '/get' }), call(port, { method: 'POST', body: 'held' })]
  await expire()
  t.match(await Promise.all(queued), [{ status: 200 }, { status: 200 }])
  t.same(seen.toSorted(), ['/ Bearer token-2', '/first Bearer token-1', '/get Bearer token-2'])
})

t.test('a streamed body cannot be taken back, so its caller is told to come again', async (t) => {
  const { port, seen, expire } = await startCongested(t)
  const request = http.request({ port, host: '127.0.0.1', method: 'POST', agent: false })
  const answered = new Promise<http.IncomingMessage>((resolve) => {
    request.once('response', resolve)
  })
  request.on('error', () => {})
  request.write('part')
  await expire()
  const { statusCode, headers } = await answered
  t.equal(statusCode, 503)
  t.equal(headers['x-error-code'], 'token_refreshed_retry')
  t.same(seen, ['/first Bearer token-1'])
  request.destroy()
})
