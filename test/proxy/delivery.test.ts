import t from 'tap'
import type { ServerResponse } from 'node:http'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Answer } from '../../src/proxy/answer.ts'
import { Delivery, type Sender } from '../../src/proxy/delivery.ts'
import { Turn } from '../../src/proxy/turn.ts'

const taken = { writableLength: 0 } as ServerResponse

const nobody: Sender = {
  onFailure(error) {
    throw error
  },
  onUntaken() {
    throw new Error('all of it was taken')
  },
}

/** An answer that writes down what is asked of it. */
const recorded = (rest: Partial<Answer> = {}) => {
  const calls: string[] = []
  const answer: Answer = {
    status: 200,
    write: () => true,
    flush: () => void calls.push('flush'),
    end: () => void calls.push('end'),
    drop: () => void calls.push('drop'),
    ...rest,
  }
  return { answer, calls }
}

t.test('an answer that is complete goes out whole at the end of the turn', async (t) => {
  const { answer, calls } = recorded()
  new Delivery(new Turn(), answer, taken, nobody).complete()
  await Promise.resolve()
  t.same(calls, [], 'not before')
  await nextTurn()
  t.same(calls, ['end'])
  await nextTurn()
  t.same(calls, ['end'], 'and once')
})

t.test('a head whose body is late goes out after the next turn', async (t) => {
  const { answer, calls } = recorded()
  const delivery = new Delivery(new Turn(), answer, taken, nobody)
  await nextTurn()
  t.same(calls, [], 'the body may be broken')
  await nextTurn()
  t.same(calls, ['flush'])
  await nextTurn()
  delivery.complete()
  await nextTurn()
  t.same(calls, ['flush', 'end'])
})

t.test('what is cancelled before the end of its turn never goes out', async (t) => {
  const { answer, calls } = recorded()
  const delivery = new Delivery(new Turn(), answer, taken, nobody)
  delivery.complete()
  delivery.cancel()
  await nextTurn()
  t.same(calls, ['drop'])
})

t.test('an answer that cannot be sent harms none of the others', async (t) => {
  const turn = new Turn()
  const errors: Error[] = []
  const broken = recorded({
    end() {
      throw new Error('a defect')
    },
  })
  const whole = recorded()
  new Delivery(turn, broken.answer, taken, {
    ...nobody,
    onFailure: (error) => errors.push(error),
  }).complete()
  new Delivery(turn, whole.answer, taken, nobody).complete()
  await nextTurn()
  await nextTurn()
  t.match(errors, [{ message: 'a defect' }])
  t.same(whole.calls, ['end'])
})

t.test('it is told when a caller does not take all of an answer', async (t) => {
  const { answer, calls } = recorded()
  const response = { writableLength: 1 } as ServerResponse
  const sender = { ...nobody, onUntaken: () => calls.push('untaken') }
  new Delivery(new Turn(), answer, response, sender).complete()
  await nextTurn()
  t.same(calls, ['end', 'untaken'])
})
