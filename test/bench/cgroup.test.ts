/** Real control groups, where this process may make them. */
import t from 'tap'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { cgroupsOf, limitOf } from '../../bench/cgroup.ts'

const groups = cgroupsOf(limitOf('128m,0.5'))
const skip = typeof groups === 'string' ? groups : false

const run = (command: readonly string[]) => {
  const [program = '', ...args] = command
  return spawnSync(program, args, { encoding: 'utf8' })
}

t.test('a process in it has its memory, and is told so', { skip }, async (t) => {
  if (typeof groups === 'string') return
  const group = groups.create()
  t.teardown(group.remove)
  const { stdout } = run(group.enter([process.execPath, '-p', 'process.constrainedMemory()']))
  t.equal(Number(stdout), 128 * 2 ** 20)
  t.ok(Number(group.peak()) > 1)
  t.notOk(group.wasKilled())
})

t.test('what is still in it ends with it, and nothing is left of it', { skip }, async (t) => {
  if (typeof groups === 'string') return
  const group = groups.create()
  const [program = '', ...args] = group.enter(['sh', '-c', 'echo ready; exec sleep 60'])
  const child = spawn(program, args)
  const ended = once(child, 'exit')
  await once(child.stdout, 'data')
  group.remove()
  t.same(await ended, [null, 'SIGKILL'])
  t.equal(group.peak(), undefined)
})

t.test('a process that wants more than that is killed, which is told', { skip }, async (t) => {
  if (typeof groups === 'string') return
  const group = groups.create()
  t.teardown(group.remove)
  const greedy = 'const all = []; for (;;) all.push(Buffer.alloc(1e6, 1))'
  const { signal } = run(group.enter([process.execPath, '-e', greedy]))
  t.equal(signal, 'SIGKILL')
  t.ok(group.wasKilled())
  t.ok(Number(group.peak()) > 120)
})
