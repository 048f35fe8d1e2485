import t from 'tap'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { Turn } from '../../src/proxy/turn.ts'

t.test('what is alone is done at the end of its turn, once', async (t) => {
  const turn = new Turn()
  let ends = 0
  turn.add({ endOfTurn: () => (ends += 1) })
  await Promise.resolve()
  t.equal(ends, 0, 'not before')
  await nextTurn()
  t.equal(ends, 1)
  await nextTurn()
  t.equal(ends, 1)
})

t.test('several wait for what the next turn brings, and not longer, in order', async (t) => {
  const turn = new Turn()
  const done: string[] = []
  const add = (name: string): void => turn.add({ endOfTurn: () => done.push(name) })
  add('first')
  add('second')
  await nextTurn()
  t.same(done, [])
  add('third')
  await nextTurn()
  t.same(done, ['first', 'second', 'third'])
  add('fourth')
  add('fifth')
  await nextTurn()
  t.equal(done.length, 3, 'and so do those that come after them')
  await nextTurn()
  t.equal(done.length, 5)
})

t.test('what is added at the end of a turn waits for the end of the next', async (t) => {
  const turn = new Turn()
  let ends = 0
  const task = { endOfTurn: () => (ends += 1) < 3 && turn.add(task) }
  turn.add(task)
  for (const expected of [1, 2, 3, 3]) {
    await nextTurn()
    t.equal(ends, expected)
  }
})
