import t from 'tap'
import { createAccessToken } from '../../src/token/access-token.ts'
import {
  advisedGrant,
  nextFetchDelay,
  retryDelay,
  retryingGrant,
} from '../../src/token/retrying-grant.ts'
import { publicFailure, type TokenFailure } from '../../src/token/token-response.ts'
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

t.test('a wait that would not fit into the fetch is not begun', async (t) => {
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

t.test('a try that hangs is ended when the fetch is 8 s old', async (t) => {
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

/** What becomes of this outcome on its way. */
const advised = (outcome: GrantOutcome): Promise<GrantOutcome> =>
  advisedGrant({ request: async () => outcome }, 'Bind a valid one.').request(NEVER)

t.test('advice goes with the failure of a rejected credential, and no other outcome', async (t) => {
  const rejected = await advised(failing({ kind: 'rejected' }))
  t.strictSame(!rejected.ok && publicFailure(rejected.failure, 0), {
    code: 'credential_rejected',
    detail: 'Bind a valid one.',
  })
  for (const outcome of [failing({}), GRANTED]) t.equal(await advised(outcome), outcome)
})

const transient: TokenFailure = { kind: 'transient', reason: 'could not be asked' }
const withStatus = (status: number): TokenFailure => ({ ...transient, status })
const rateLimited: TokenFailure = { kind: 'rate_limited', reason: 'answered 429', status: 429 }
const rejected: TokenFailure = { kind: 'rejected', reason: 'answered 401', status: 401 }
const misconfigured: TokenFailure = { kind: 'misconfigured', reason: 'answered 404', status: 404 }

const WAITS: readonly [what: string, failure: TokenFailure, waits: readonly [number, number]][] = [
  ['a connection error', transient, [300, 600]],
  ['408', withStatus(408), [300, 600]],
  ['502', withStatus(502), [300, 600]],
  ['504', withStatus(504), [300, 600]],
  ['500', withStatus(500), [1000, 3000]],
  ['503', withStatus(503), [1000, 3000]],
  ['a malformed 200', withStatus(200), [1000, 3000]],
  ['429 without Retry-After', rateLimited, [1000, 3000]],
]

for (const [what, failure, [first, second]] of WAITS) {
  t.test(`${what}: up to ${first} ms, then up to ${second} ms, then no more`, async (t) => {
    t.equal(retryDelay(failure, 1, 1), first)
    t.equal(retryDelay(failure, 2, 1), second)
    t.equal(retryDelay(failure, 3, 1), undefined)
  })

  t.test(`${what}: the whole wait is jitter`, async (t) => {
    t.equal(retryDelay(failure, 1, 0), 0)
    t.equal(retryDelay(failure, 2, 0.25), second / 4)
  })
}

t.test('429 waits at least as long as the server asks for, and apart from others', async (t) => {
  const failure = { ...rateLimited, retryAfter: 7_000 }
  t.equal(retryDelay(failure, 1, 0), 7_000)
  t.equal(retryDelay(failure, 2, 0.5), 8_500)
  t.equal(retryDelay(failure, 3, 0), undefined)
  t.equal(retryDelay({ ...rateLimited, retryAfter: 0 }, 1, 1), 1_000, 'no loop at Retry-After: 0')
})

t.test('what another try cannot help is not tried again', async (t) => {
  t.equal(retryDelay(rejected, 1, 1), undefined)
  t.equal(retryDelay(misconfigured, 1, 1), undefined)
})

for (const failure of [rejected, misconfigured]) {
  t.test(`${failure.kind}: the next fetch is 5 s away, doubling to 60 s`, async (t) => {
    const delays = [1, 2, 3, 4, 5, 6, 2000].map((failed) => nextFetchDelay(failure, failed, 0))
    t.strictSame(delays, [5_000, 10_000, 20_000, 40_000, 60_000, 60_000, 60_000])
  })
}

t.test('transient: the next fetch is 1 to 30 s away, with jitter', async (t) => {
  const delays = [1, 2, 3, 4, 5, 2000].map((failed) => nextFetchDelay(transient, failed, 1))
  t.strictSame(delays, [2_000, 4_000, 8_000, 16_000, 30_000, 30_000])
  t.equal(nextFetchDelay(transient, 4, 0.5), 8_000)
  t.equal(nextFetchDelay(transient, 9, 0), 1_000)
})

t.test('rate limited: the next fetch is when the server wants it, not at once', async (t) => {
  t.equal(nextFetchDelay({ ...rateLimited, retryAfter: 7_000 }, 1, 0), 7_000)
  t.equal(nextFetchDelay({ ...rateLimited, retryAfter: 0 }, 1, 0), 1_000)
  t.equal(nextFetchDelay(rateLimited, 1, 0), 5_000)
})
