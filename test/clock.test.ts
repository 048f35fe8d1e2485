import { getEventListeners } from 'node:events'
import t from 'tap'
import { elapsed, sleep, systemClock, within, withLimit } from '../src/clock.ts'
import { collectGarbage } from './fixtures/collector.ts'
import { ManualClock } from './fixtures/manual-clock.ts'

t.test('the system clock tells both times', async (t) => {
  const before = { monotonic: performance.now(), wall: Date.now() }
  const { monotonic, wall } = systemClock.now()
  t.ok(monotonic >= before.monotonic && monotonic <= performance.now())
  t.ok(wall >= before.wall && wall <= Date.now())
})

t.test('the system clock runs a task once it is due, and none that is cancelled', async (t) => {
  const ran: string[] = []
  const cancel = systemClock.schedule(1, () => ran.push('cancelled'))
  cancel()
  await new Promise<void>((resolve) => {
    systemClock.schedule(1, () => {
      ran.push('due')
      resolve()
    })
  })
  t.strictSame(ran, ['due'])
})

/** Timers that keep the process alive. */
const timers = (): number =>
  process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length

t.test('a task in the background does not keep the process alive, any other does', async (t) => {
  const before = timers()
  const cancels = [systemClock.schedule(60_000, () => {}, { background: true })]
  t.equal(timers(), before)
  cancels.push(systemClock.schedule(60_000, () => {}))
  t.equal(timers(), before + 1)
  for (const cancel of cancels) cancel()
})

const ELAPSED: Record<string, [monotonic: number, wall: number, elapsed: number]> = {
  'both clocks agree': [500, 500, 500],
  'the machine slept, and the monotonic clock with it': [500, 9_000, 9_000],
  'the wall clock was set back': [500, -9_000, 500],
}

for (const [title, [monotonic, wall, expected]] of Object.entries(ELAPSED)) {
  t.test(`${expected} ms have passed when ${title}`, async (t) => {
    const from = { monotonic: 1_000, wall: 100_000 }
    const to = { monotonic: 1_000 + monotonic, wall: 100_000 + wall }
    t.equal(elapsed(from, to), expected)
  })
}

const asleep = (clock: ManualClock, ms: number, signal: AbortSignal) => {
  const state = { awake: false }
  const run = async () => {
    await sleep(clock, ms, signal)
    state.awake = true
  }
  void run()
  return state
}

t.test('a sleeper wakes when its time has come', async (t) => {
  const clock = new ManualClock()
  const { signal } = new AbortController()
  const sleeper = asleep(clock, 100, signal)
  await clock.advance(99)
  t.equal(sleeper.awake, false)
  await clock.advance(1)
  t.equal(sleeper.awake, true)
  t.equal(getEventListeners(signal, 'abort').length, 0, 'the signal forgets the sleeper')
})

t.test('a sleeper wakes when the signal aborts', async (t) => {
  const clock = new ManualClock()
  const controller = new AbortController()
  const sleeper = asleep(clock, 100, controller.signal)
  await clock.advance(1)
  controller.abort()
  await clock.advance(0)
  t.equal(sleeper.awake, true)
  t.equal(clock.pending, 0, 'its timer is cancelled')
})

t.test('nobody falls asleep after the signal', async (t) => {
  const clock = new ManualClock()
  await sleep(clock, 100, AbortSignal.abort())
  t.equal(clock.pending, 0)
})

/** Waits 100 ms at most for a promise that the test keeps, or for the one given. */
const waiting = (signal: AbortSignal, given?: Promise<unknown>) => {
  const clock = new ManualClock()
  const state = { result: undefined as unknown, done: false }
  let resolve: ((value: unknown) => void) | undefined
  const promised = new Promise<unknown>((settle) => {
    resolve = settle
  })
  const run = async () => {
    state.result = await within(clock, 100, [signal], given ?? promised)
    state.done = true
  }
  void run()
  return { clock, state, keep: (value: unknown) => resolve?.(value) }
}

t.test('a promise that is kept in time gives its value, and no timer stays', async (t) => {
  const { signal } = new AbortController()
  const { clock, state, keep } = waiting(signal)
  await clock.advance(99)
  t.equal(state.done, false)
  keep('value')
  await clock.advance(0)
  t.strictSame(state, { result: 'value', done: true })
  t.equal(clock.pending, 0)
})

t.test('a promise that is kept already costs no time', async (t) => {
  const { clock, state } = waiting(new AbortController().signal, Promise.resolve(0))
  await clock.advance(0)
  t.strictSame(state, { result: 0, done: true })
  t.equal(clock.pending, 0)
})

t.test('waiting ends when the time is over, and a late value changes nothing', async (t) => {
  const { clock, state, keep } = waiting(new AbortController().signal)
  await clock.advance(100)
  t.strictSame(state, { result: undefined, done: true })
  keep('late')
  await clock.advance(0)
  t.equal(state.result, undefined)
  t.equal(clock.pending, 0)
})

t.test('waiting ends when the signal aborts', async (t) => {
  const controller = new AbortController()
  const { clock, state } = waiting(controller.signal)
  await clock.advance(99)
  controller.abort()
  await clock.advance(0)
  t.strictSame(state, { result: undefined, done: true })
  t.equal(clock.pending, 0, 'its timer is cancelled')
})

t.test('nobody waits after the signal', async (t) => {
  const { clock, state } = waiting(AbortSignal.abort())
  await clock.advance(0)
  t.strictSame(state, { result: undefined, done: true })
  t.equal(clock.pending, 0)
})

t.test('a limit ends a task with its time or a signal, and holds neither afterwards', async (t) => {
  for (const [first, ends] of [
    ['time', (clock: ManualClock) => clock.advance(100)],
    ['signal', (_clock: ManualClock, caller: AbortController) => caller.abort()],
  ] as const) {
    const clock = new ManualClock()
    const caller = new AbortController()
    const signals = [new AbortController().signal, caller.signal]
    const ended = withLimit(clock, 100, signals, async (limit) => {
      await sleep(clock, 1_000, limit)
      return limit.aborted
    })
    await ends(clock, caller)
    t.equal(await ended, true, first)
    t.equal(clock.pending, 0)
    t.same(
      signals.map((signal) => getEventListeners(signal, 'abort').length),
      [0, 0],
    )
  }
})

t.test('waits leave nothing behind in a signal that lives on', async (t) => {
  const clock = new ManualClock()
  const { signal } = new AbortController()
  const wait = () => within(clock, 100, [signal, new AbortController().signal], Promise.resolve(1))
  const heapAfter = async (waits: number): Promise<number> => {
    for (let left = waits; left > 0; left -= 1) await wait()
    collectGarbage()
    return process.memoryUsage().heapUsed
  }
  const before = await heapAfter(1_000)
  const grown = (await heapAfter(40_000)) - before
  t.ok(grown < 1_000_000, `${grown} bytes after 40,000 waits`)
})
