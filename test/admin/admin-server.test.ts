/** The second port, over real sockets. */
import t, { type Test } from 'tap'
import net, { type AddressInfo } from 'node:net'
import { pino } from 'pino'
import { createAdminServer, type AdminOptions } from '../../src/admin/admin-server.ts'
import { loadConfig } from '../../src/config/load-config.ts'
import { createLogger } from '../../src/logging/logger.ts'
import { freePort } from '../fixtures/free-port.ts'
import { call, exchange, type Call } from '../fixtures/http-client.ts'
import { startProxy } from '../fixtures/proxy.ts'
import { startServer, startStreamingServer } from '../fixtures/recording-server.ts'

type Line = Readonly<Record<string, unknown>>

const open = async (t: Test, changes: Partial<AdminOptions> = {}) => {
  const lines: Line[] = []
  const log = await createLogger({
    level: 'info',
    format: 'json',
    destination: { write: (line) => lines.push(JSON.parse(line) as Line) },
  })
  const app = createAdminServer({
    allowedHosts: loadConfig({}).config.adminHosts,
    readiness: () => ({ ready: true, reasons: [] }),
    expose: async (accept) => ({ contentType: 'text/plain; version=0.0.4', text: `${accept}` }),
    log,
    logs: [],
    console: { answer: async () => false, close: () => {} },
    ...changes,
  })
  await app.listen({ port: 0, host: '127.0.0.1' })
  t.teardown(() => app.close())
  const { port } = app.server.address() as AddressInfo
  const ask = async (path: string, options: Call = {}) => {
    const { status, headers, body } = await call(port, { path, ...options })
    return { status, headers, text: body.toString() }
  }
  return { port, ask, log, lines }
}

const json = (value: unknown): Call => ({
  method: 'PUT',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(value),
})

t.test('probes answer from memory', async (t) => {
  const { ask } = await open(t)
  for (const path of ['/health', '/live', '/ready']) {
    t.match(await ask(path), { status: 200, text: '{"status":"UP"}' }, path)
  }
})

t.test('why it is not ready is said in words, while it is alive all the same', async (t) => {
  const reasons = ['stopping', 'no usable token yet']
  const { ask } = await open(t, { readiness: () => ({ ready: false, reasons }) })
  const { status, text } = await ask('/ready')
  t.equal(status, 503)
  t.same(JSON.parse(text), { status: 'DOWN', reasons })
  t.equal((await ask('/live')).status, 200)
  t.equal((await ask('/health')).status, 200)
  const warned = await open(t, { readiness: () => ({ ready: true, reasons: ['refused'] }) })
  t.match(await warned.ask('/ready'), {
    status: 200,
    text: '{"status":"UP","reasons":["refused"]}',
  })
})

t.test('metrics come in the form that the scraper accepts', async (t) => {
  const { ask } = await open(t)
  const answer = await ask('/metrics', { headers: { accept: 'application/openmetrics-text' } })
  t.match(answer, { status: 200, text: 'application/openmetrics-text' })
  t.equal(answer.headers['content-type'], 'text/plain; version=0.0.4')
})

t.test('the log level changes at run time, and the log says so', async (t) => {
  const { ask, log, lines } = await open(t)
  t.equal((await ask('/log-level')).text, '{"level":"info"}')
  t.match(await ask('/log-level', json({ level: 'debug' })), { status: 200 })
  t.equal(log.level, 'debug')
  await ask('/log-level', json({ level: 'error' }))
  await ask('/log-level', json({ level: 'debug' }))
  const changes = lines.filter(({ msg }) => msg === 'the log level is changed')
  t.match(changes, [
    { from: 'info', to: 'debug' },
    { from: 'debug', to: 'error' },
    { from: 'error', to: 'debug' },
  ])
  t.equal(changes.length, 3, 'once each')
})

t.test('the level of a key of several changes with the others', async (t) => {
  const logs = [pino({ level: 'info' }).child({ key: 'a' })]
  const { ask } = await open(t, { logs })
  await ask('/log-level', json({ level: 'trace' }))
  t.equal(logs[0]?.level, 'trace')
})

t.test('what is no log level changes nothing', async (t) => {
  const { ask, log } = await open(t)
  for (const body of [{ level: 'loud' }, {}, 'debug', null]) {
    t.equal((await ask('/log-level', json(body))).status, 400, JSON.stringify(body))
  }
  t.equal((await ask('/log-level', { ...json({}), body: '{"level":' })).status, 400)
  t.equal((await ask('/log-level', json({ level: 'x'.repeat(2_000) }))).status, 413)
  t.equal((await ask('/log-level', { method: 'PUT', body: 'debug' })).status, 415)
  t.equal(log.level, 'info')
})

t.test('anything else is not found, in words', async (t) => {
  const { ask } = await open(t)
  t.match(await ask('/Vendor'), { status: 404, text: /There is .*\/health/ })
})

t.test('a defect is not told to whoever asks, but to the log', async (t) => {
  const { ask, lines } = await open(t, { expose: () => Promise.reject(new Error('canary')) })
  const { status, text } = await ask('/metrics')
  t.equal(status, 500)
  t.notMatch(text, 'canary')
  t.match(lines, [{ level: 'error', err: { message: 'canary' } }])
})

t.test('a page in a browser on this machine reaches nothing', async (t) => {
  const { ask, log, port } = await open(t)
  const attacks: Record<string, Record<string, string>> = {
    'a name that was made to point here': { host: 'attacker.example:9090' },
    'a name that looks like this machine': { host: 'localhost.attacker.example' },
    'an address that looks like this machine': { host: '127.0.0.1.attacker.example' },
    'a form of another site': { origin: 'https://attacker.example' },
    'another program on this machine': { origin: 'http://localhost:3000' },
    'a page without an origin': { origin: 'null' },
    'an image of another site': { 'sec-fetch-site': 'cross-site' },
    'a neighbour': { 'sec-fetch-site': 'same-site' },
  }
  for (const [title, headers] of Object.entries(attacks)) {
    const type = { 'content-type': 'application/json' }
    const level = { ...json({ level: 'trace' }), headers: { ...headers, ...type } }
    t.equal((await ask('/log-level', level)).status, 403, title)
    t.notMatch((await ask('/metrics', { headers })).text, 'undefined', title)
  }
  const nameless = 'GET /log-level HTTP/1.1\r\nhost:\r\nconnection: close\r\n\r\n'
  t.match(await exchange(port, nameless), /^HTTP\/1\.1 403 /)
  t.equal(log.level, 'info')
})

t.test('the operator on this machine reaches everything', async (t) => {
  const { ask } = await open(t)
  for (const host of ['localhost:9090', 'LOCALHOST', '127.0.0.1', '127.8.9.1:1', '[::1]:9090']) {
    t.equal((await ask('/metrics', { headers: { host } })).status, 200, host)
  }
  const own = { host: 'localhost:9090', origin: 'http://localhost:9090' }
  t.equal(
    (await ask('/live', { headers: { ...own, 'sec-fetch-site': 'same-origin' } })).status,
    200,
  )
  t.equal((await ask('/live', { headers: { 'sec-fetch-site': 'none' } })).status, 200)
})

t.test('in a cluster the name is that of a pod or a service', async (t) => {
  const onPlatform = { KUBERNETES_SERVICE_HOST: '10.0.0.1' }
  const { ask } = await open(t, { allowedHosts: loadConfig(onPlatform).config.adminHosts })
  t.equal((await ask('/metrics', { headers: { host: 'skp.apps.example:9090' } })).status, 200)
  t.equal((await ask('/metrics', { headers: { host: '10.2.3.4:9090' } })).status, 200)
  t.equal((await ask('/metrics', { headers: { origin: 'https://attacker.example' } })).status, 403)
  const sidecar = { ...onPlatform, SKP_ADMIN_HOST: '::1' }
  const ipv6 = await open(t, { allowedHosts: loadConfig(sidecar).config.adminHosts })
  t.equal((await ipv6.ask('/live', { headers: { host: 'attacker.example' } })).status, 403)
})

t.test('in a container of a laptop the name is its own, or one that is allowed', async (t) => {
  const environment = { SKP_HOST: '0.0.0.0', SKP_ALLOWED_HOSTS: 'skp.example' }
  const { ask } = await open(t, { allowedHosts: loadConfig(environment).config.adminHosts })
  for (const host of ['localhost:9090', '172.17.0.2:9090', 'proxy:9090', 'skp.example']) {
    t.equal((await ask('/live', { headers: { host } })).status, 200, host)
  }
  for (const host of ['attacker.example:9090', '127.0.0.1.attacker.example', 'localhost.']) {
    t.equal((await ask('/live', { headers: { host } })).status, 403, host)
  }
})

const text = async (port: number, path: string) => (await call(port, { path })).body.toString()

t.test('it shows what the proxy does', async (t) => {
  const answers = [200, 401, 200, 404]
  const api = await startServer(t, (_request, response) => {
    response.writeHead(answers.shift() ?? 200).end('{}')
  })
  const adminPort = await freePort()
  const { port } = await startProxy(t, {
    api: api.url,
    settings: { SKP_ADMIN_PORT: String(adminPort) },
  })
  for (const path of ['/a', '/b', '/c', '/../d']) await call(port, { path })
  await call(port, { path: '/e', headers: { origin: 'null' } })
  await call(port, { path: '/-/live' })
  t.equal(await text(adminPort, '/ready'), '{"status":"UP"}')
  const metrics = await text(adminPort, '/metrics')
  const sample = (line: string) =>
    t.ok(metrics.includes(`\nservice_key_proxy_${line}\n`), `${line}\n${metrics}`)
  sample('requests_total{method="GET",status="200",origin="api"} 2')
  sample('requests_total{method="GET",status="404",origin="api"} 1')
  sample('requests_total{method="GET",status="400",origin="service-key-proxy"} 1')
  sample('denied_total{reason="origin"} 1')
  sample('request_duration_seconds_count 5')
  sample('upstream_duration_seconds_count 3')
  sample('in_flight_requests 0')
  sample('token_requests_total{outcome="granted"} 2')
  sample('token_refresh_duration_seconds_count 2')
  sample('replays_total{result="answered"} 1')
  t.match(metrics, /\nservice_key_proxy_token_expires_in_seconds 4319\d\n/)
  t.match(metrics, /\nservice_key_proxy_credential_age_seconds \d/)
  t.notMatch(metrics, /\/a|127\.0\.0\.1|sb-client/)
})

t.test('it goes on answering while the proxy stops, and is closed last', async (t) => {
  let finish: (() => void) | undefined
  const api = await startStreamingServer(t, (_request, response) => {
    finish = () => response.end('done')
  })
  const adminPort = await freePort()
  const { port, app } = await startProxy(t, {
    api: api.url,
    settings: { SKP_ADMIN_PORT: String(adminPort) },
  })
  const slow = call(port)
  while (finish === undefined) await new Promise(setImmediate)
  // A scraper that keeps its connection, and one that never says what it wants.
  const silent = net.connect(adminPort, '127.0.0.1')
  silent.on('error', () => {})
  const stopped = app.stop()
  t.match(await text(adminPort, '/ready'), /"DOWN","reasons":\["stopping"\]/)
  t.match(await text(adminPort, '/metrics'), /in_flight_requests 1\n/)
  finish()
  t.equal((await slow).status, 200)
  await stopped
  await t.rejects(call(adminPort), { code: 'ECONNREFUSED' })
})
