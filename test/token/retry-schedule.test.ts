import t from 'tap'
import {
  ATTEMPT_LIMIT_MS,
  MAX_TRIES,
  nextAttemptDelay,
  retryDelay,
} from '../../src/token/retry-schedule.ts'
import type { TokenFailure } from '../../src/token/token-failure.ts'

const transient: TokenFailure = { kind: 'transient', reason: 'could not be asked' }
const withStatus = (status: number): TokenFailure => ({ ...transient, status })
const rateLimited: TokenFailure = { kind: 'rate_limited', reason: 'answered 429', status: 429 }
const rejected: TokenFailure = { kind: 'rejected', reason: 'answered 401', status: 401 }
const misconfigured: TokenFailure = { kind: 'misconfigured', reason: 'answered 404', status: 404 }

t.test('one attempt has at most 3 tries and 8 s', async (t) => {
  t.equal(MAX_TRIES, 3)
  t.equal(ATTEMPT_LIMIT_MS, 8_000)
})

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
  t.test(`${failure.kind}: the next attempt is 5 s away, doubling to 60 s`, async (t) => {
    const delays = [1, 2, 3, 4, 5, 6, 2000].map((failed) => nextAttemptDelay(failure, failed, 0))
    t.strictSame(delays, [5_000, 10_000, 20_000, 40_000, 60_000, 60_000, 60_000])
  })
}

t.test('transient: the next attempt is 1 to 30 s away, with jitter', async (t) => {
  const delays = [1, 2, 3, 4, 5, 2000].map((failed) => nextAttemptDelay(transient, failed, 1))
  t.strictSame(delays, [2_000, 4_000, 8_000, 16_000, 30_000, 30_000])
  t.equal(nextAttemptDelay(transient, 4, 0.5), 8_000)
  t.equal(nextAttemptDelay(transient, 9, 0), 1_000)
})

t.test('rate limited: the next attempt is when the server wants it, not at once', async (t) => {
  t.equal(nextAttemptDelay({ ...rateLimited, retryAfter: 7_000 }, 1, 0), 7_000)
  t.equal(nextAttemptDelay({ ...rateLimited, retryAfter: 0 }, 1, 0), 1_000)
  t.equal(nextAttemptDelay(rateLimited, 1, 0), 5_000)
})
