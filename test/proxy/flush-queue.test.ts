import type { ServerResponse } from 'node:http'
import { setImmediate as nextTurn } from 'node:timers/promises'
import t from 'tap'
import { FlushQueue, QueuedResponse, type Sender } from '../../src/proxy/flush-queue.ts'
import type { ResponseWriter } from '../../src/proxy/response-writer.ts'

const taken = { writableLength: 0 } as ServerResponse

const nobody: Sender = {
  onFailure(error) {
    throw error
  },
  onUntaken() {
    throw new Error('all of it was taken')
  },
}

/** An writer that writes down what is asked of it. */
const recorded = (rest: Partial<ResponseWriter> = {}) => {
  const calls: string[] = []
  const writer: ResponseWriter = {
    status: 200,
    write: () => true,
    flush: () => void calls.push('flush'),
    end: () => void calls.push('end'),
    drop: () => void calls.push('drop'),
    ...rest,
  }
  return { writer, calls }
}

t.test('an writer that is complete goes out whole at the end of the turn', async (t) => {
  const { writer, calls } = recorded()
  new QueuedResponse(new FlushQueue(), writer, taken, nobody).complete()
  await Promise.resolve()
  t.same(calls, [], 'not before')
  await nextTurn()
  t.same(calls, ['end'])
  await nextTurn()
  t.same(calls, ['end'], 'and once')
})

t.test('a head whose body is late goes out after the next turn', async (t) => {
  const { writer, calls } = recorded()
  const response = new QueuedResponse(new FlushQueue(), writer, taken, nobody)
  await nextTurn()
  t.same(calls, [], 'the body may be broken')
  await nextTurn()
  t.same(calls, ['flush'])
  await nextTurn()
  response.complete()
  await nextTurn()
  t.same(calls, ['flush', 'end'])
})

t.test('what is cancelled before the end of its turn never goes out', async (t) => {
  const { writer, calls } = recorded()
  const response = new QueuedResponse(new FlushQueue(), writer, taken, nobody)
  response.complete()
  response.cancel()
  await nextTurn()
  t.same(calls, ['drop'])
})

t.test('a response that cannot be sent harms none of the others', async (t) => {
  const queue = new FlushQueue()
  const errors: Error[] = []
  const broken = recorded({
    end() {
      throw new Error('a defect')
    },
  })
  const whole = recorded()
  new QueuedResponse(queue, broken.writer, taken, {
    ...nobody,
    onFailure: (error) => errors.push(error),
  }).complete()
  new QueuedResponse(queue, whole.writer, taken, nobody).complete()
  await nextTurn()
  await nextTurn()
  t.match(errors, [{ message: 'a defect' }])
  t.same(whole.calls, ['end'])
})

t.test('it is told when a caller does not take all of an answer', async (t) => {
  const { writer, calls } = recorded()
  const response = { writableLength: 1 } as ServerResponse
  const sender = { ...nobody, onUntaken: () => calls.push('untaken') }
  new QueuedResponse(new FlushQueue(), writer, response, sender).complete()
  await nextTurn()
  t.same(calls, ['end', 'untaken'])
})

t.test('what is alone is done at the end of its turn, once', async (t) => {
  const queue = new FlushQueue()
  let ends = 0
  queue.add({ endOfTurn: () => (ends += 1) })
  await Promise.resolve()
  t.equal(ends, 0, 'not before')
  await nextTurn()
  t.equal(ends, 1)
  await nextTurn()
  t.equal(ends, 1)
})

t.test('several wait for what the next turn brings, and not longer, in order', async (t) => {
  const queue = new FlushQueue()
  const done: string[] = []
  const add = (name: string): void => queue.add({ endOfTurn: () => done.push(name) })
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
  const queue = new FlushQueue()
  let ends = 0
  const task = { endOfTurn: () => (ends += 1) < 3 && queue.add(task) }
  queue.add(task)
  for (const expected of [1, 2, 3, 3]) {
    await nextTurn()
    t.equal(ends, expected)
  }
})
