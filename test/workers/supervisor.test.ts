/** Workers that end, and what they had counted; processes here are objects that a test moves. */
import t, { type Test } from 'tap'
import { pino } from 'pino'
import { ProxyMetrics } from '../../src/admin/proxy-metrics.ts'
import type { ToPrimary, ToWorker } from '../../src/workers/protocol.ts'
import { Supervisor } from '../../src/workers/supervisor.ts'
import { WorkerCounters } from '../../src/workers/worker-counters.ts'
import { ManualClock, settle } from '../fixtures/manual-clock.ts'

const open = (t: Test, count = 2) => {
  const clock = new ManualClock()
  const log: Record<string, unknown>[] = []
  const processes: {
    say: (message: ToPrimary) => void
    end: (cause: string) => void
    heard: ToWorker[]
    killed: boolean
  }[] = []
  const supervisor = new Supervisor({
    count,
    clock,
    log: pino({}, { write: (line) => log.push(JSON.parse(line) as Record<string, unknown>) }),
    onMessage() {},
    onExit() {},
    fork() {
      const process = {
        say: (_message: ToPrimary) => {},
        end: (_cause: string) => {},
        heard: [] as ToWorker[],
        killed: false,
      }
      processes.push(process)
      return {
        send: (message) => process.heard.push(message),
        onMessage: (listener) => (process.say = listener),
        onExit: (listener) => (process.end = listener),
        kill() {
          process.killed = true
          process.end('SIGKILL')
        },
      }
    },
  })
  const last = () => processes.at(-1) as (typeof processes)[number]
  const serve = async () => {
    const started = supervisor.start()
    for (const process of processes) process.say({ kind: 'listening', port: 8080 })
    t.equal(await started, 8080)
  }
  return { clock, log, processes, supervisor, last, serve }
}

t.test('a worker that ends is replaced after 1 s, doubling to 30 s', async (t) => {
  const { clock, log, processes, supervisor, last, serve } = open(t)
  await serve()
  t.equal(supervisor.serving, 2)
  for (const seconds of [1, 2, 4, 8, 16, 30, 30]) {
    const before = processes.length
    last().end('exit code 1')
    last().end('said twice')
    t.equal(supervisor.serving, 1, 'the other one is left alone')
    t.match(log.at(-1), { worker: 2, cause: 'exit code 1', restart_in_s: seconds })
    await clock.advance(seconds * 1000 - 1)
    t.equal(processes.length, before)
    await clock.advance(1)
    t.equal(processes.length, before + 1)
  }
  last().say({ kind: 'failed', code: 'EADDRINUSE' })
  t.match(log.at(-2), { worker: 2, code: 'EADDRINUSE' })
  t.ok(last().killed)
  await clock.advance(30_000)
  last().say({ kind: 'listening', port: 8080 })
  t.match(log.at(-1), { msg: 'a worker process serves again' })
  last().say({ kind: 'leaving' })
  t.equal(supervisor.serving, 1)
  await clock.advance(60_000)
  last().end('SIGSEGV')
  t.match(log.at(-1), { cause: 'SIGSEGV', restart_in_s: 1 }, 'it was good for a minute')
  const stopped = supervisor.stop(1_000)
  await clock.advance(1_000)
  await stopped
  t.same(processes[0]?.heard, [{ kind: 'stop' }])
  t.ok(processes[0]?.killed, 'ended at the limit')
  await clock.advance(60_000)
  t.equal(processes.length, 10, 'none is started any more')
})

t.test('stopping ends with the last worker, and at once where there is none', async (t) => {
  const { clock, processes, supervisor, last, serve } = open(t)
  await serve()
  const stopped = supervisor.stop(25_000)
  for (const process of processes) process.end('exit code 0')
  await stopped
  t.equal(clock.pending, 0)
  const other = open(t, 1)
  await other.serve()
  other.last().end('SIGKILL')
  await other.supervisor.stop(25_000)
  t.equal(other.clock.pending, 0)
  t.notOk(last().killed)
})

t.test('the start fails with the first worker that cannot serve', async (t) => {
  for (const fail of [
    (say: (message: ToPrimary) => void) => say({ kind: 'failed', code: 'EADDRINUSE' }),
    (_say: unknown, end: (cause: string) => void) => end('exit code 1'),
  ]) {
    const { clock, processes, supervisor } = open(t)
    const started = supervisor.start()
    const [first, second] = processes
    first?.say({ kind: 'listening', port: 8080 })
    if (second !== undefined) fail(second.say, second.end)
    await t.rejects(started, { code: /EADDRINUSE|exit code 1/ })
    t.ok(first?.killed)
    await clock.advance(60_000)
    t.equal(processes.length, 2)
  }
})

t.test('counters of all processes are added, and stay when a worker ends', async (t) => {
  const clock = new ManualClock()
  const [own, total, a, b] = Array.from({ length: 4 }, () => new ProxyMetrics()) as [
    ProxyMetrics,
    ProxyMetrics,
    ProxyMetrics,
    ProxyMetrics,
  ]
  let asked = 0
  let workers = 2
  const counters = new WorkerCounters({
    clock,
    own,
    total,
    ask(id) {
      asked = id
      return workers
    },
  })
  own.tokenRequested('granted')
  for (const metrics of [a, b]) {
    metrics.requestBegan()
    metrics.denied('host')
    metrics.requests.add('GET', 200, 'api')
    metrics.requestDuration.observe(20)
    metrics.linksRewritten(3)
  }
  const both = Promise.all([counters.gather(), counters.gather()])
  counters.received(a, asked, a.counters())
  counters.received(b, asked, b.counters())
  await both
  t.equal(asked, 1, 'two scrapes at once are one round')
  t.equal(clock.pending, 0)
  const expected = { inFlight: 2, links: 6, 'denials.host': 2, 'requestDuration.sum': 0.04 }
  t.match(total.counters(), { ...expected, 'tokenRequests.granted': 1 })
  t.match(total.requests.entries(), [{ method: 'GET', status: '200', origin: 'api', count: 2 }])

  const slow = counters.gather()
  counters.received(a, asked - 1, a.counters())
  counters.received(a, asked, a.counters())
  await clock.advance(1_000)
  await slow
  t.match(total.counters(), expected, 'one that is too slow counts as it was')
  counters.forget(b)
  counters.forget({})
  workers = 0
  await counters.gather()
  t.match(total.counters(), { ...expected, inFlight: 1 })
  await settle()
})
