/** `serve` with workers that are not processes: the same code on both ends, in this one. */
import t, { type Test } from 'tap'
import type { Edge } from '../../src/commands/edge.ts'
import { serve } from '../../src/commands/serve.ts'
import { worker, type Working } from '../../src/commands/worker.ts'
import { MirroredKeys } from '../../src/workers/mirrored-keys.ts'
import type { ForkWorker, ToPrimary, ToWorker } from '../../src/workers/protocol.ts'
import { TokenQuestions } from '../../src/workers/token-questions.ts'
import { createEdge } from '../fixtures/edge.ts'
import { freePort } from '../fixtures/free-port.ts'
import { call } from '../fixtures/http-client.ts'
import { ManualClock, settle } from '../fixtures/manual-clock.ts'
import { startServer, startStreamingServer } from '../fixtures/recording-server.ts'

const ignore = (): void => {}

const carried = <T>(message: T): T => JSON.parse(JSON.stringify(message)) as T

/** Delivers in order, and not within the call. */
const pipe = <T>() => {
  let listener: ((message: T) => void) | undefined
  let waiting: T[] = []
  const deliver = (): void => {
    if (listener === undefined) return
    const messages = waiting
    waiting = []
    for (const message of messages) listener(message)
  }
  return {
    send(message: T): void {
      waiting.push(carried(message))
      setImmediate(deliver)
    },
    onMessage(other: (message: T) => void): void {
      listener = other
    },
  }
}

interface Started {
  readonly port: number
  readonly working: Working
  readonly exit: (cause: string) => void
}

/** Each listens on a port of its own, because nothing is shared within one process. */
const createFork = (edge: Edge) => {
  const workers: Promise<Started>[] = []
  const fork: ForkWorker = () => {
    const [up, down] = [pipe<ToPrimary>(), pipe<ToWorker>()]
    let exit: (cause: string) => void = ignore
    let port = 0
    const working = worker(edge, {
      send(message) {
        if (message.kind === 'listening') ({ port } = message)
        up.send(message)
      },
      onMessage: (listener) => down.onMessage(listener),
    })
    const started = working.then((working) => {
      void working.ended.then((code) => exit(`exit code ${code}`))
      return { port, working, exit: (cause: string) => exit(cause) }
    })
    workers.push(started)
    return {
      send: (message) => down.send(message),
      onMessage: (listener) => up.onMessage(listener),
      onExit: (listener) => (exit = listener),
      kill() {},
    }
  }
  return { fork, workers }
}

const open = async (t: Test, api: string, settings: Edge['environment'] = {}) => {
  const tokens = await startServer(t, (_request, response) => {
    response.end('{"access_token":"canary-token"}')
  })
  const key = { entities: api, url: tokens.url, clientid: 'a', clientsecret: 'canary-secret' }
  const { edge, stdout, stderr } = createEdge(
    {
      SKP_PORT: '0',
      SKP_ADMIN_PORT: '0',
      SKP_DRAIN_DELAY: '0ms',
      SKP_KEY_FILE: 'key.json',
      SKP_WORKERS: '2',
      ...settings,
    },
    { 'key.json': JSON.stringify(key) },
  )
  const { fork, workers } = createFork(edge)
  const outcome = await serve(edge, {}, () => Promise.resolve(fork))
  if (typeof outcome !== 'number') t.teardown(() => outcome.stop())
  return { outcome, workers, stdout, stderr, tokens }
}

const started = async (t: Test, api: string, settings: Edge['environment'] = {}) => {
  const program = await open(t, api, settings)
  const { outcome } = program
  if (typeof outcome === 'number') throw new Error(program.stderr())
  while (outcome.readiness().early) await new Promise(setImmediate)
  return { ...program, running: outcome, workers: await Promise.all(program.workers) }
}

t.test(
  'workers have the token of the primary, and neither has the secret in its log',
  async (t) => {
    const api = await startServer(t, (_request, response) => response.end('{}'))
    const program = await started(t, api.url, {
      SKP_CALLER_TOKEN: 'canary-caller-token',
      HTTPS_PROXY: 'http://user:canary-password@127.0.0.1:9',
    })
    const headers = { 'x-caller-token': 'canary-caller-token' }
    for (const { port } of program.workers) t.equal((await call(port, { headers })).status, 200)
    t.equal((await call(program.workers[0]?.port ?? 0)).status, 403)
    t.equal(program.tokens.requests.length, 1)
    t.match(program.running.readiness(), { ready: true, reasons: [], early: false })
    program.running.reload()
    const [first] = program.workers
    await first?.working.stop(new Error('canary-token canary-caller-token'))
    t.match(program.stdout(), /"level":"fatal".*"worker":"1".*\[redacted\] \[redacted\]/)
    t.match(program.running.readiness(), {
      ready: true,
      reasons: ['1 of 2 worker processes are missing'],
    })
    first?.exit('exit code 1')
    await program.running.stop()
    program.running.flush()
    first?.working.flush()
    t.notMatch(program.stdout() + program.stderr(), /canary/)
  },
)

t.test('a limit is shared equally, and the primary has no part of it', async (t) => {
  const api = await startStreamingServer(t, () => {})
  const program = await started(t, api.url, {
    SKP_MAX_IN_FLIGHT: '3',
    SKP_DRAIN_TIMEOUT: '100ms',
  })
  const { port } = program.workers[1] as Started
  const hanging = [call(port), call(port)].map((answer) => t.rejects(answer))
  for (;;) {
    const { status } = await call(port, { headers: { connection: 'close' } })
    if (status === 503) break
  }
  const probe = await call(port, { path: '/-/ready' })
  t.equal(probe.status, 200)
  const stopped = program.running.stop()
  await stopped
  await Promise.all(hanging)
  t.match(program.stdout(), /"worker":"2".*SKP_DRAIN_TIMEOUT were cut off/)
})

t.test(
  'readiness on the data port follows the primary, until the worker itself stops',
  async (t) => {
    const api = await startStreamingServer(t, () => {})
    const program = await started(t, api.url, { SKP_DRAIN_DELAY: '100ms' })
    const [first, second] = program.workers as [Started, Started]
    const reasons = async ({ port }: Started) => {
      const { body } = await call(port, { path: '/-/ready' })
      return (JSON.parse(body.toString()) as { reasons?: string[] }).reasons?.join()
    }
    while ((await reasons(first)) !== undefined) await settle()
    const stopped = first.working.stop()
    const own = await reasons(first)
    t.match(own, /^stopping/)
    while ((await reasons(second)) !== '1 of 2 worker processes are missing') await settle()
    await stopped
    first.exit('SIGTERM')
    const ending = program.running.stop()
    while ((await reasons(second)) !== 'stopping') await settle()
    await ending
  },
)

t.test('a port in use ends all with its exit code, and so does a foreign cluster', async (t) => {
  const holder = await startServer(t, () => {})
  const adminPort = await freePort()
  const { outcome, workers, stderr } = await open(t, 'http://127.0.0.1:1', {
    SKP_PORT: String(holder.port),
    SKP_ADMIN_PORT: String(adminPort),
  })
  t.equal(outcome, 4)
  t.match(stderr(), 'choose another with SKP_PORT')
  t.equal(workers.length, 2)
  await t.rejects(call(adminPort, { path: '/live' }), { code: 'ECONNREFUSED' })
  const key = JSON.stringify({ entities: 'http://127.0.0.1:1', url: 'http://127.0.0.1:1' })
  const nested = createEdge(
    { SKP_WORKERS: '2', SKP_KEY_FILE: 'key.json', SKP_ADMIN_PORT: '0' },
    { 'key.json': key.replace('}', ',"clientid":"a","clientsecret":"b"}') },
  )
  t.equal(await serve(nested.edge, {}, () => Promise.resolve(undefined)), 2)
  t.match(nested.stderr(), 'SKP_WORKERS: must be 1')
})

t.test('what is said before a worker is whole is not lost', async (t) => {
  const { edge } = createEdge({})
  const down = pipe<ToWorker>()
  const sent: ToPrimary[] = []
  const working = worker(edge, {
    send: (message) => void sent.push(message),
    onMessage: (listener) => down.onMessage(listener),
  })
  down.send({ kind: 'stop' })
  await settle()
  t.same(sent, [{ kind: 'hello' }])
  const { loadConfig } = await import('../../src/config/load-config.ts')
  const { config } = loadConfig({ SKP_PORT: '0', SKP_DRAIN_DELAY: '0ms', SKP_WORKERS: '2' })
  const readiness = { ready: false, reasons: [] }
  down.send({ kind: 'welcome', at: 0, worker: 1, config, level: 'info', keys: [], readiness })
  t.equal(await (await working).ended, 0)
})

/** A key without a token, by where it leads. */
const copy = (source: number, ...bases: readonly string[]) => ({
  key: 0,
  source,
  mounts: bases.map((baseUrl, index) => ({ prefix: index === 0 ? '' : `/${index}`, baseUrl })),
  renewableAt: 0,
  doubted: false,
})

t.test('a key that leads elsewhere: what is under way finishes with the old one', async (t) => {
  const clock = new ManualClock()
  const keys = new MirroredKeys({
    clock,
    offset: 0,
    send: ignore,
    questions: new TokenQuestions({ clock, waitLimit: 1_000, send: ignore }),
    onToken() {},
    proxyFor: () => undefined,
    upstream: {
      ca: undefined,
      connections: 1,
      connectTimeout: 1_000,
      responseTimeout: 1_000,
      idleTimeout: 1_000,
      maxHeaderSize: 16_384,
    },
  })
  keys.update(copy(1, 'http://127.0.0.1:1/a/', 'http://127.0.0.1:1/b', 'http://127.0.0.1:2/'))
  const { mounts } = keys
  t.match(mounts, [
    { prefix: '', basePath: '/a' },
    { prefix: '/1', basePath: '/b' },
    { prefix: '/2', basePath: '' },
  ])
  t.equal(mounts[0]?.upstream, mounts[1]?.upstream, 'one pool for one origin')
  keys.update(copy(1, 'http://127.0.0.1:1/a/'))
  t.equal(keys.mounts, mounts, 'nothing has changed but the token')
  keys.update(copy(2, 'http://127.0.0.1:3/'))
  t.not(keys.mounts, mounts)
  const isClosed = ([first]: typeof mounts): boolean =>
    (first as unknown as { upstream: { destroyed: boolean } }).upstream.destroyed
  await clock.advance(599_999)
  t.notOk(isClosed(mounts))
  await clock.advance(1)
  t.ok(isClosed(mounts))
  keys.update(copy(3, 'http://127.0.0.1:4/'))
  const last = keys.mounts
  await keys.close()
  t.ok(isClosed(last))
  t.equal(clock.pending, 0)
})
