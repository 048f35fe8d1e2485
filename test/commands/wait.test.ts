/** `wait` against real servers; the time is the test's. */
import t, { type Test } from 'tap'
import type { ServerResponse } from 'node:http'
import { localUrl } from '../../src/commands/process.ts'
import { wait } from '../../src/commands/wait.ts'
import { createProcess } from '../fixtures/process.ts'
import { freePort } from '../fixtures/free-port.ts'
import { ManualClock } from '../fixtures/manual-clock.ts'
import { startServer } from '../fixtures/recording-server.ts'

const start = (environment: Readonly<Record<string, string>>, timeout = 60_000, flags = {}) => {
  const clock = new ManualClock()
  const { process, stdout, stderr } = createProcess(environment)
  let code: number | undefined
  const ended = wait(process, flags, timeout, clock).then((result) => (code = result))
  /** To the next poll, which is 250 ms later; a probe that is under way has a longer timer. */
  const polls = async (times: number, step = 250): Promise<void> => {
    for (let poll = 0; poll < times; poll += 1) {
      while (code === undefined && clock.next !== step) await new Promise(setImmediate)
      await clock.advance(step)
    }
  }
  return { ended, polls, stdout, stderr, clock }
}

type Respond = (response: ServerResponse) => unknown

/** Responds in these ways one after the other, in the last one for ever. */
const startProbed = (t: Test, responses: readonly Respond[]) => {
  let count = 0
  return startServer(t, (_request, response) => {
    const respond = responses[Math.min(count, responses.length - 1)]
    count += 1
    respond?.(response)
  })
}

const up: Respond = (response) => response.end('{"status":"UP"}')
const down: Respond = (response) =>
  response
    .writeHead(503)
    .end('{"status":"DOWN","reasons":["no usable token yet","other\\u001b[2J"]}')
const say =
  (status: number, body: string): Respond =>
  (response) =>
    response.writeHead(status).end(body)

const at = (port: number) => ({ SKP_PORT: String(port) })

t.test('a proxy that is ready ends it at once, with nothing to say', async (t) => {
  const { port, requests } = await startProbed(t, [up])
  const { ended, stdout, stderr } = start(at(port))
  t.equal(await ended, 0)
  t.equal(stdout() + stderr(), '')
  t.match(requests, [{ method: 'GET', url: '/-/ready' }])
})

t.test('looks every 250 ms, and says once after 2 s what it waits for', async (t) => {
  const { port, requests } = await startProbed(t, [...Array<Respond>(11).fill(down), up])
  const { ended, polls, stderr } = start(at(port))
  await polls(7)
  t.equal(stderr(), '')
  await polls(4)
  t.equal(await ended, 0)
  t.equal(requests.length, 12)
  t.equal(
    stderr(),
    `service-key-proxy: waiting for http://127.0.0.1:${port}: no usable token yet; other [2J\n`,
  )
})

t.test('after the timeout tells the last reasons, and what to look at', async (t) => {
  const { port } = await startProbed(t, [down])
  const { ended, polls, stderr } = start(at(port), 1_000)
  await polls(3)
  t.equal(await ended, 1)
  t.equal(
    stderr(),
    `service-key-proxy: http://127.0.0.1:${port} is not ready after 1s:\n` +
      '  - no usable token yet\n  - other [2J\n' +
      `To see for yourself:\n  curl -i http://127.0.0.1:${port}/-/ready\n`,
  )
})

const UNFIT: readonly [string, Respond, RegExp][] = [
  ['another program', say(404, 'Not here'), /answered with 404; it may be another program/],
  ['JSON of another kind', say(503, '{"reasons":"none"}'), /answered with 503/],
  ['no reasons', say(503, '{"status":"DOWN"}'), /answered with 503/],
  ['an answer without end', say(503, ' '.repeat(300_000)), /answered with 503/],
  ['a redirect, which is not followed', say(302, ''), /answered with 302/],
  ['a broken connection', (response) => response.destroy(), /no answer \(UND_ERR_SOCKET\)/],
]

for (const [name, respond, reason] of UNFIT) {
  t.test(`is not ready: ${name}`, async (t) => {
    const { port } = await startProbed(t, [respond])
    const { ended, stderr } = start(at(port), 250)
    t.equal(await ended, 1)
    t.match(stderr(), reason)
  })
}

t.test('nothing that listens is a reason too', async (t) => {
  const { ended, stderr } = start(at(await freePort()), 250)
  t.equal(await ended, 1)
  t.match(stderr(), /nothing listens there \(ECONNREFUSED\)/)
})

t.test('a probe that hangs is given up after 2 s', async (t) => {
  const { port, requests } = await startProbed(t, [() => {}, up])
  const { ended, polls, clock } = start(at(port))
  while (requests.length === 0) await new Promise(setImmediate)
  t.equal(clock.next, 2_000)
  await polls(1, 2_000)
  await polls(1)
  t.equal(await ended, 0)
})

t.test('a probe that hangs does not outlast the timeout', async (t) => {
  const { port, requests } = await startProbed(t, [() => {}])
  const { ended, clock, stderr } = start(at(port), 700)
  while (requests.length === 0) await new Promise(setImmediate)
  await clock.advance(700)
  t.equal(await ended, 1)
  t.match(stderr(), /the probe is not answered/)
})

t.test('looks where the proxy would listen by the same settings', async (t) => {
  const { port, requests } = await startProbed(t, [up])
  const text = String(port)
  t.equal(await start({ PORT: text, VCAP_APPLICATION: '{}' }).ended, 0, 'all addresses')
  t.equal(await start({ PORT: '1', SKP_PORT: text }).ended, 0)
  t.equal(await start({ SKP_PORT: '1' }, 60_000, { port: text }).ended, 0)
  t.equal(requests.length, 3)
})

const URLS: Readonly<Record<string, string>> = {
  '127.0.0.1': 'http://127.0.0.1:8080',
  '0.0.0.0': 'http://127.0.0.1:8080',
  '::': 'http://[::1]:8080',
  '::1': 'http://[::1]:8080',
  localhost: 'http://localhost:8080',
}

for (const [host, url] of Object.entries(URLS)) {
  t.test(`what listens on ${host} is reached at ${url}`, async (t) => {
    t.equal(localUrl(host, 8080), url)
  })
}

t.test('settings without an address are refused, all problems at once', async (t) => {
  const free = start({ SKP_PORT: '0' })
  t.equal(await free.ended, 2)
  t.match(free.stderr(), /^service-key-proxy cannot wait:\n {2}- SKP_PORT: 0 is any free port/)
  const wrong = start({ SKP_MODE: 'sidecar', SKP_LOG_LEVEL: 'loud' })
  t.equal(await wrong.ended, 2)
  t.match(wrong.stderr(), /SKP_LOG_LEVEL[^]*SKP_PORT: required when SKP_MODE=sidecar/)
})
