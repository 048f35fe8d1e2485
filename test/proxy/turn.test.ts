import t from 'tap'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { Turn } from '../../src/proxy/turn.ts'

t.test('what is added in a turn is done at its end, in order', async (t) => {
  const turn = new Turn()
  const done: string[] = []
  turn.add({ endOfTurn: () => done.push('first') })
  turn.add({ endOfTurn: () => done.push('second') })
  await Promise.resolve()
  t.same(done, [], 'not before')
  await nextTurn()
  t.same(done, ['first', 'second'])
  await nextTurn()
  t.equal(done.length, 2, 'and once')
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
