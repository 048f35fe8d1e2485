/** Several worker processes of the built program, judged from outside. */
import t, { type Test } from 'tap'
import { readFileSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import { join } from 'node:path'
import { freePort } from './fixtures/free-port.ts'
import { call } from './fixtures/http-client.ts'
import { startProgram } from './fixtures/program.ts'
import { startServer, startStreamingServer } from './fixtures/recording-server.ts'

const SECRET = 'canary+secret/value='

/** Grants after a while, each time another token; `delay` in ms. */
const startTokens = (t: Test, delay = 0) =>
  startServer(t, ({ body }, response) => {
    const secret = new URLSearchParams(body.toString()).get('client_secret') ?? ''
    setTimeout(() => {
      const access_token = `token-${Math.random()}-of-${secret.slice(-6)}`
      response.end(JSON.stringify({ access_token, expires_in: 3_600 }))
    }, delay)
  })

const start = async (
  t: Test,
  api: string,
  tokens: string,
  settings: Readonly<Record<string, string>> = {},
  program: 'built' | 'source' = 'built',
) => {
  const file = join(t.testdir(), 'key.json')
  const writeKey = (entities: string, secret = SECRET): void =>
    writeFileSync(
      file,
      JSON.stringify({ entities, url: tokens, clientid: 'sb-client!b1', clientsecret: secret }),
    )
  writeKey(api)
  const adminPort = await freePort()
  const running = startProgram(
    t,
    [],
    {
      PORT: '0',
      SKP_KEY_FILE: file,
      SKP_WORKERS: '2',
      SKP_ADMIN_PORT: String(adminPort),
      SKP_DRAIN_DELAY: '0ms',
      ...settings,
    },
    program,
  )
  const { address } = await running.logged('listening')
  const port = Number(new URL(String(address)).port)
  const readiness = async () => {
    const { body } = await call(adminPort, { path: '/ready' })
    return JSON.parse(body.toString()) as { status: string; reasons?: string[] }
  }
  const isReady = async (reasons: string | undefined): Promise<void> => {
    for (;;) {
      const now = await readiness()
      if (now.status === 'UP' && now.reasons?.join() === reasons) return
    }
  }
  return { ...running, port, adminPort, writeKey, readiness, isReady }
}

type Started = Awaited<ReturnType<typeof start>>

/** Process ids of the workers. */
const workersOf = ({ child }: Started): readonly number[] =>
  readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8')
    .trim()
    .split(' ')
    .map(Number)

const lines = ({ stdout }: Started) =>
  stdout()
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Readonly<Record<string, unknown>>)

/** Requests that are in both workers at once. */
const callAll = (port: number, count: number, path = '/Vendor', method = 'GET') =>
  Promise.all(Array.from({ length: count }, () => call(port, { path, method })))

/** Which workers have answered something by the log. */
const answeredBy = (program: Started) =>
  new Set(lines(program).flatMap(({ worker, type }) => (type === 'request' ? [worker] : [])))

t.test('100 cold callers of two workers cause one token request; all are counted', async (t) => {
  const tokens = await startTokens(t, 300)
  const api = await startServer(t, (_request, response) => {
    setTimeout(() => response.end('{"d":{}}'), 50)
  })
  const program = await start(t, api.url, tokens.url)
  const answers = await callAll(program.port, 100)
  t.ok(answers.every(({ status }) => status === 200))
  t.equal(tokens.requests.length, 1)
  const sent = new Set(api.requests.map(({ headers }) => headers.authorization))
  t.equal(sent.size, 1)
  t.equal(new Set(answers.map(({ headers }) => headers['x-request-id'])).size, 100)
  const metrics = (await call(program.adminPort, { path: '/metrics' })).body.toString()
  t.match(metrics, /\nservice_key_proxy_requests_total\{.*status="200".*\} 100\n/)
  t.match(metrics, /\nservice_key_proxy_request_duration_seconds_count 100\n/)
  t.match(metrics, /\nservice_key_proxy_token_requests_total\{outcome="granted"\} 1\n/)
  program.child.kill('SIGTERM')
  t.equal(await program.ended, 0)
  t.same(answeredBy(program), new Set(['1', '2']))
  t.equal(lines(program).filter(({ type }) => type === 'request').length, 100, 'whole lines')
  t.notMatch(program.stdout() + program.stderr(), /canary|token-0/)
})

t.test('a worker that is killed under load is replaced, and the other one goes on', async (t) => {
  const tokens = await startTokens(t)
  const api = await startServer(t, (_request, response) => response.end('{"d":{}}'))
  const program = await start(t, api.url, tokens.url)
  await program.isReady(undefined)
  const agent = new http.Agent({ keepAlive: true, maxSockets: 8 })
  t.teardown(() => agent.destroy())
  let done = false
  let ok = 0
  let lost = 0
  const load = async (): Promise<void> => {
    while (!done) {
      await call(program.port, { agent }).then(
        ({ status }) => (status === 200 ? (ok += 1) : t.fail(String(status))),
        () => (lost += 1),
      )
    }
  }
  const callers = Array.from({ length: 8 }, load)
  const before = workersOf(program)
  process.kill(before[0] as number, 'SIGKILL')
  await program.isReady('1 of 2 worker processes are missing')
  const okBefore = ok
  await program.isReady(undefined)
  done = true
  await Promise.all(callers)
  t.ok(ok > okBefore, 'requests were answered while it was missing')
  t.ok(lost <= 8, 'only what the killed one had in flight is lost')
  const after = workersOf(program)
  t.equal(after.length, 2)
  t.ok(after.includes(before[1] as number), 'the other one is the same')
  t.equal(tokens.requests.length, 1, 'the new one has got the token that is there')
  const ended = lines(program).find(({ msg }) => String(msg).startsWith('a worker process ended'))
  t.match(ended, { level: 'error', worker: 1, cause: 'SIGKILL', restart_in_s: 1 })
})

t.test('SIGTERM lets requests in flight finish in both workers', async (t) => {
  const tokens = await startTokens(t)
  const finish: (() => void)[] = []
  const api = await startStreamingServer(t, (_request, response) => {
    response.write('first ')
    finish.push(() => response.end('last'))
  })
  const program = await start(t, api.url, tokens.url)
  await program.isReady(undefined)
  const inFlight = callAll(program.port, 64)
  while (finish.length < 64) await new Promise(setImmediate)
  // As at a terminal, where the signal reaches all of them.
  for (const pid of workersOf(program)) process.kill(pid, 'SIGINT')
  program.child.kill('SIGTERM')
  await program.logged('stopping')
  t.match(await program.readiness(), { status: 'DOWN', reasons: ['stopping'] })
  for (const end of finish) end()
  const answers = await inFlight
  t.ok(answers.every(({ body }) => body.toString() === 'first last'))
  t.equal(await program.ended, 0)
  t.same(answeredBy(program), new Set(['1', '2']))
  await t.rejects(call(program.port), { code: 'ECONNREFUSED' })
})

t.test(
  'a burst of 401 in both workers causes one renewal, and a changed key reaches both',
  async (t) => {
    const tokens = await startTokens(t, 100)
    let revoked: string | undefined
    const api = await startServer(t, ({ headers }, response) => {
      const isRefused = headers.authorization === revoked
      setTimeout(() => response.writeHead(isRefused ? 401 : 200).end('{}'), 30)
    })
    const program = await start(t, api.url, tokens.url)
    await callAll(program.port, 1)
    revoked = api.requests[0]?.headers.authorization
    const answers = await callAll(program.port, 100)
    t.ok(answers.every(({ status }) => status === 200))
    t.equal(tokens.requests.length, 2, 'one more')
    const write = await call(program.port, { method: 'POST', path: '/Vendor' })
    t.equal(write.status, 200)

    const other = await startServer(t, ({ headers }, response) =>
      response.end(headers.authorization),
    )
    program.writeKey(other.url, `${SECRET}-second`)
    program.child.kill('SIGHUP')
    await program.logged('the service key has changed and is in use')
    for (;;) {
      const bodies = (await callAll(program.port, 64)).map(({ body }) => body.toString())
      if (bodies.every((body) => body.endsWith('-of-second'))) break
    }
    t.equal(tokens.requests.length, 3)
    program.child.kill('SIGTERM')
    t.equal(await program.ended, 0)
    t.same(answeredBy(program), new Set(['1', '2']))
  },
)

t.test('a second signal ends all at once, and so does the end of the primary', async (t) => {
  const tokens = await startTokens(t)
  const api = await startStreamingServer(t, () => {})
  for (const signals of [['SIGTERM', 'SIGTERM'], ['SIGKILL']] as const) {
    const program = await start(t, api.url, tokens.url)
    await program.isReady(undefined)
    const pids = workersOf(program)
    call(program.port).catch(() => {})
    for (const signal of signals) {
      program.child.kill(signal)
      if (signal === 'SIGTERM') await program.logged('stopping')
    }
    t.equal(await program.ended, signals.length === 2 ? 1 : 'SIGKILL')
    for (const pid of pids) {
      const isThere = (): boolean => {
        try {
          return process.kill(pid, 0)
        } catch {
          return false
        }
      }
      while (isThere()) await new Promise(setImmediate)
    }
    t.pass('no worker is left')
  }
})

t.test('from source: the level changes in all; a port in use has its exit code', async (t) => {
  const tokens = await startTokens(t)
  const api = await startServer(t, (_request, response) => {
    setTimeout(() => response.end('{}'), 20)
  })
  const settings = { PORT: String(await freePort()), SKP_LOG_LEVEL: 'info' }
  const program = await start(t, api.url, tokens.url, settings, 'source')
  await program.isReady(undefined)
  const setLevel = (level: string) =>
    call(program.adminPort, {
      method: 'PUT',
      path: '/log-level',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ level }),
    })
  t.equal((await setLevel('warn')).status, 200)
  await callAll(program.port, 64)
  t.equal((await setLevel('info')).status, 200)
  await callAll(program.port, 32, '/again')
  const metrics = (await call(program.adminPort, { path: '/metrics' })).body.toString()
  t.match(metrics, /\nservice_key_proxy_requests_total\{.*status="200".*\} 96\n/)
  const bound = { SKP_KEY_FILE: join(t.testdirName, 'key.json'), SKP_WORKERS: '2' }
  const second = startProgram(t, [], { ...settings, ...bound })
  const alone = startProgram(t, ['worker'], bound, 'source')
  t.same(await Promise.all([second.ended, alone.ended]), [4, 2])
  t.match(alone.stderr(), 'service-key-proxy: worker is started by serve')
  t.match(second.stderr(), /port \d+ on 127\.0\.0\.1 is in use; choose another with SKP_PORT/)
  program.child.kill('SIGTERM')
  t.equal(await program.ended, 0)
  const requests = lines(program).filter(({ type }) => type === 'request')
  t.same(new Set(requests.map(({ request }) => request)), new Set(['/again']))
  t.equal(requests.length, 32)
})
