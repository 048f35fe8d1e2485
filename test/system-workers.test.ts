/** Processes of node:cluster, with a program that does nothing. */
import t from 'tap'
import cluster from 'node:cluster'
import { fileURLToPath } from 'node:url'
import { forkWorkers } from '../src/system-workers.ts'
import type { ForkWorker } from '../src/workers/protocol.ts'

// tap keeps track of processes in ways that this one need not know.
cluster.setupPrimary({
  exec: fileURLToPath(new URL('fixtures/idle-worker.mjs', import.meta.url)),
  execArgv: [],
})

const start = async (fork: ForkWorker) => {
  const worker = fork()
  const ended = new Promise<string>((resolve) => worker.onExit(resolve))
  const hello = await new Promise((resolve) => worker.onMessage(resolve))
  return { worker, ended, hello }
}

t.test('a worker gets one argument, and its end has a cause', async (t) => {
  const fork = await forkWorkers(undefined)
  if (fork === undefined) throw new Error('no workers')
  t.equal(cluster.schedulingPolicy, cluster.SCHED_NONE)
  const [told, killed] = [await start(fork), await start(fork)]
  t.same(told.hello, { kind: 'hello', args: ['worker'] })
  told.worker.send({ kind: 'stop' })
  t.equal(await told.ended, 'exit code 3')
  told.worker.send({ kind: 'stop' })
  killed.worker.kill()
  t.equal(await killed.ended, 'SIGKILL')
})

t.test('one that cannot even be started has an end as well', async (t) => {
  const fork = await forkWorkers(undefined)
  if (fork === undefined) throw new Error('no workers')
  cluster.setupPrimary({ cwd: '/nonexistent' })
  const worker = fork()
  const cause = await new Promise((resolve) => worker.onExit(resolve))
  t.equal(cause, 'ENOENT')
})

t.test('an operator may choose how connections are shared', async (t) => {
  cluster.schedulingPolicy = cluster.SCHED_RR
  await forkWorkers('rr')
  t.equal(cluster.schedulingPolicy, cluster.SCHED_RR)
})

t.test("there are none below another program's cluster", async (t) => {
  Object.assign(cluster, { isPrimary: false })
  t.teardown(() => Object.assign(cluster, { isPrimary: true }))
  t.equal(await forkWorkers(undefined), undefined)
})
