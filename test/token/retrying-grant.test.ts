import t from 'tap'
import { createAccessToken } from '../../src/token/access-token.ts'
import { retryingGrant } from '../../src/token/retrying-grant.ts'
import type { TokenFailure } from '../../src/token/token-failure.ts'
import type { GrantOutcome } from '../../src/token/token-source.ts'
import { ManualClock } from '../fixtures/manual-clock.ts'

const NEVER = new AbortController().signal
const START = { monotonic: 0, wall: 0 }
const GRANTED: GrantOutcome = { ok: true, token: createAccessToken('token', 60_000, START, 0) }
const failing = (failure: Partial<TokenFailure>): GrantOutcome => ({
  ok: false,
  failure: { kind: 'transient', reason: 'could not be asked', ...failure },
})

/** A retrying grant over a server that gives these outcomes, one per try, each after a time. */
const start = (outcomes: readonly GrantOutcome[], duration = 0, signal: AbortSignal = NEVER) => {
  const clock = new ManualClock()
  const tries: number[] = []
  const signals: AbortSignal[] = []
  const grant = retryingGrant({
    clock,
    random: () => 1,
    grant: {
      request(limit) {
        const outcome = outcomes[tries.length] ?? GRANTED
        tries.push(clock.now().monotonic)
        signals.push(limit)
        return new Promise((resolve) => {
          const finish = () => resolve(outcome)
          limit.addEventListener('abort', finish)
          clock.schedule(duration, finish)
        })
      },
    },
  })
  const state: { outcome?: GrantOutcome } = {}
  const run = async () => {
    state.outcome = await grant.request(signal)
  }
  void run()
  return { clock, tries, signals, state }
}

t.test('a token at the first try is the outcome', async (t) => {
  const { clock, tries, state } = start([GRANTED])
  await clock.advance(0)
  t.equal(state.outcome, GRANTED)
  t.strictSame(tries, [0])
  t.equal(clock.pending, 0, 'nothing is left armed')
})

t.test('a transient failure is tried again after 300 and 600 ms', async (t) => {
  const { clock, tries, state } = start([failing({}), failing({}), GRANTED])
  await clock.advance(8_000)
  t.equal(state.outcome, GRANTED)
  t.strictSame(tries, [0, 300, 900])
})

t.test('after three tries the last failure is the outcome', async (t) => {
  const last = failing({ status: 503 })
  const { clock, tries, state } = start([failing({}), failing({}), last])
  await clock.advance(60_000)
  t.equal(state.outcome, last)
  t.equal(tries.length, 3)
  t.equal(clock.pending, 0)
})

t.test('a rejected credential is not tried again', async (t) => {
  const rejected = failing({ kind: 'rejected', status: 401 })
  const { clock, tries, state } = start([rejected])
  await clock.advance(0)
  t.equal(state.outcome, rejected)
  t.equal(tries.length, 1)
})

t.test('a wait that would not fit into the attempt is not begun', async (t) => {
  const limited = failing({ kind: 'rate_limited', status: 429, retryAfter: 7_000 })
  const { clock, tries, state } = start([limited])
  await clock.advance(0)
  t.equal(state.outcome, limited)
  t.equal(tries.length, 1)
})

t.test('a wait that fits is begun, counting the time the tries took', async (t) => {
  const limited = failing({ kind: 'rate_limited', status: 429, retryAfter: 3_000 })
  const { clock, tries } = start([limited, limited, limited], 1_500)
  await clock.advance(8_000)
  t.strictSame(tries, [0, 5_500], 'a third try would begin after the limit')
})

t.test('a try that hangs is ended when the attempt is 8 s old', async (t) => {
  const { clock, tries, signals, state } = start([failing({})], 60_000)
  await clock.advance(7_999)
  t.equal(signals[0]?.aborted, false)
  await clock.advance(1)
  t.equal(signals[0]?.aborted, true)
  t.match(state.outcome, { ok: false })
  t.equal(tries.length, 1)
})

t.test('whoever asked can end a try', async (t) => {
  const caller = new AbortController()
  const { clock, tries, state } = start([failing({})], 60_000, caller.signal)
  await clock.advance(10)
  caller.abort()
  await clock.advance(0)
  t.match(state.outcome, { ok: false })
  t.equal(tries.length, 1)
})

t.test('whoever asked can end a wait', async (t) => {
  const caller = new AbortController()
  const { clock, state } = start([failing({ status: 503 })], 0, caller.signal)
  await clock.advance(10)
  t.equal(state.outcome, undefined)
  caller.abort()
  await clock.advance(0)
  t.not(state.outcome, undefined)
})
