import t from 'tap'
import { credentialFingerprint, FetchSchedule } from '../../src/token/token-fetches.ts'
import type { TokenFailure } from '../../src/token/token-response.ts'

const at = (ms: number) => ({ monotonic: ms, wall: 1_767_225_600_000 + ms })
const failing = (failure: Partial<TokenFailure> = {}): TokenFailure => ({
  kind: 'transient',
  reason: 'answered 503',
  ...failure,
})
const REJECTED = failing({ kind: 'rejected', reason: 'answered 401' })

t.test('the first fetch need not wait for anything', async (t) => {
  const schedule = new FetchSchedule()
  t.ok(schedule.gap(at(0)) <= 0)
  t.ok(schedule.background(at(0)) <= 0)
  t.equal(schedule.remembered(at(0)), 0)
  t.equal(schedule.failure, undefined)
  t.strictSame(schedule.outcome, { kind: 'none' })
})

const GAPS: readonly [since: number, gap: number, background: number][] = [
  [0, 1_000, 5_000],
  [999, 1, 4_001],
  [1_000, 0, 4_000],
  [4_999, -3_999, 1],
  [5_000, -4_000, 0],
]

for (const [since, gap, background] of GAPS) {
  t.test(`${since} ms after a start: ${gap} ms for callers, ${background} ms else`, async (t) => {
    const schedule = new FetchSchedule()
    schedule.started(at(100))
    t.equal(schedule.gap(at(100 + since)), gap)
    t.equal(schedule.background(at(100 + since)), background)
  })
}

t.test('the gap is counted from the last start', async (t) => {
  const schedule = new FetchSchedule()
  schedule.started(at(0))
  schedule.started(at(700))
  t.equal(schedule.gap(at(1_000)), 700)
})

const DELAYS: readonly [title: string, failure: TokenFailure, jitter: number, delay: number][] = [
  ['a transient failure', failing(), 0.75, 1_500],
  ['a transient failure without jitter', failing(), 0, 1_000],
  ['a rejected credential', REJECTED, 0.75, 5_000],
  ['a wrong URL', failing({ kind: 'misconfigured' }), 0.75, 5_000],
  ['a rate limit', failing({ kind: 'rate_limited', retryAfter: 30_000 }), 0.75, 30_000],
]

for (const [title, failure, jitter, delay] of DELAYS) {
  t.test(`${title} is remembered for ${delay} ms, and that long renewal waits`, async (t) => {
    const schedule = new FetchSchedule()
    schedule.started(at(0))
    t.equal(schedule.failed(failure, at(200), jitter), delay)
    t.equal(schedule.failure, failure)
    t.equal(schedule.outcome, failure)
    t.equal(schedule.remembered(at(200)), delay)
    t.equal(schedule.remembered(at(200 + delay)), 0)
    t.equal(schedule.background(at(700)), delay - 500, 'the gap of 5 s does not count then')
  })
}

t.test('callers are told of a failure as long as it is remembered', async (t) => {
  const schedule = new FetchSchedule()
  t.equal(schedule.refusal(at(0)), undefined)
  schedule.failed(failing({ kind: 'rate_limited', retryAfter: 9_000 }), at(0), 0)
  t.strictSame(schedule.refusal(at(1)), { code: 'token_rate_limited', retryAfter: 9 })
  t.strictSame(schedule.refusal(at(8_999)), { code: 'token_rate_limited', retryAfter: 1 })
  t.equal(schedule.refusal(at(9_000)), undefined)
  schedule.succeeded()
  t.equal(schedule.refusal(at(1)), undefined)
})

t.test('failures in a row are remembered longer and longer', async (t) => {
  const schedule = new FetchSchedule()
  const delays = [0, 1, 2, 3, 4, 5].map((second) => schedule.failed(REJECTED, at(second), 0))
  t.strictSame(delays, [5_000, 10_000, 20_000, 40_000, 60_000, 60_000])
})

t.test('a success ends the memory, and the next failure begins anew', async (t) => {
  const schedule = new FetchSchedule()
  schedule.started(at(0))
  schedule.failed(REJECTED, at(100), 0)
  schedule.failed(REJECTED, at(100), 0)
  schedule.succeeded()
  t.equal(schedule.failure, undefined)
  t.strictSame(schedule.outcome, { kind: 'granted' })
  t.equal(schedule.remembered(at(100)), 0)
  t.equal(schedule.background(at(100)), 4_900, 'the gap after a start counts again')
  t.equal(schedule.failed(REJECTED, at(200), 0), 5_000)
})

t.test('a memory that is over stays the last failure, and holds nothing up', async (t) => {
  const schedule = new FetchSchedule()
  schedule.started(at(0))
  schedule.failed(failing(), at(0), 0.5)
  t.ok(schedule.remembered(at(1_001)) < 0)
  t.ok(schedule.background(at(1_001)) < 0)
  t.match(schedule.failure, { reason: 'answered 503' })
})

t.test('the sleep of the machine counts as waiting, a clock set back does not', async (t) => {
  const schedule = new FetchSchedule()
  schedule.started(at(0))
  schedule.failed(REJECTED, at(0), 0)
  const slept = { monotonic: 10, wall: at(60_000).wall }
  t.ok(schedule.gap(slept) < 0)
  t.ok(schedule.remembered(slept) < 0)
  const setBack = { monotonic: 400, wall: at(-3_600_000).wall }
  t.equal(schedule.gap(setBack), 600)
  t.equal(schedule.remembered(setBack), 4_600)
})

t.test('a failure of another kind is the first of its kind', async (t) => {
  const schedule = new FetchSchedule()
  for (let failure = 0; failure < 5; failure += 1) schedule.failed(failing(), at(0), 1)
  t.equal(schedule.failed(REJECTED, at(0), 1), 5_000)
})

t.test('urgency overrides the memory of what may have passed, and of nothing else', async (t) => {
  const schedule = new FetchSchedule()
  schedule.failed(failing(), at(0), 1)
  schedule.expedite()
  t.equal(schedule.remembered(at(0)), 0)
  schedule.failed(REJECTED, at(0), 1)
  schedule.expedite()
  t.equal(schedule.remembered(at(0)), 5_000)
})

const PARTS = ['https://acme.example/oauth/token', 'client', 'secret', 'scope']
const fingerprint = credentialFingerprint(PARTS)

t.test('the same parts have the same fingerprint', async (t) => {
  t.equal(credentialFingerprint([...PARTS]), fingerprint)
})

for (const [index, part] of PARTS.entries()) {
  t.test(`another fingerprint when "${part}" changes`, async (t) => {
    t.not(credentialFingerprint(PARTS.with(index, `${part}2`)), fingerprint)
  })
}

const MEETING: readonly [readonly string[], readonly string[]][] = [
  [
    ['ab', 'c'],
    ['a', 'bc'],
  ],
  [
    ['a', ''],
    ['', 'a'],
  ],
  [['a'], ['a', '']],
  [['1:a'], ['a']],
  [['a1:b'], ['a', 'b']],
  [
    ['a', 'b'],
    ['b', 'a'],
  ],
]

for (const [one, other] of MEETING) {
  t.test(`${JSON.stringify(one)} and ${JSON.stringify(other)} do not meet`, async (t) => {
    t.not(credentialFingerprint(one), credentialFingerprint(other))
  })
}

t.test('lengths are counted in bytes, over any text', async (t) => {
  t.equal(
    credentialFingerprint(['\u00e4']),
    // printf '2:ä' | sha256sum
    '7a6db0ce95b55a8767f115010bcfbf24f8f61ab2bcab8358a763f0b2018b12f5',
  )
})

t.test('no part can be read out of it', async (t) => {
  t.match(fingerprint, /^[\da-f]{64}$/)
})
