import t from 'tap'
import { advisedGrant } from '../../src/token/advised-grant.ts'
import { createAccessToken } from '../../src/token/access-token.ts'
import { publicFailure, type TokenFailure } from '../../src/token/token-failure.ts'
import type { GrantOutcome } from '../../src/token/token-source.ts'

const failure = (kind: TokenFailure['kind']): TokenFailure => ({
  kind,
  reason: 'answered 500 of acme.authentication.example',
})

t.test('a failure that only an operator can end names no time to come back', async (t) => {
  t.strictSame(publicFailure(failure('rejected'), 5_000), { code: 'credential_rejected' })
  t.strictSame(publicFailure(failure('misconfigured'), 5_000), { code: 'token_endpoint_invalid' })
})

/** What becomes of this outcome on its way. */
const advised = (outcome: GrantOutcome): Promise<GrantOutcome> =>
  advisedGrant({ request: async () => outcome }, 'Bind a valid one.').request(
    new AbortController().signal,
  )

t.test('advice goes with the failure of a rejected credential, and no other outcome', async (t) => {
  const rejected = await advised({ ok: false, failure: failure('rejected') })
  t.strictSame(!rejected.ok && publicFailure(rejected.failure, 0), {
    code: 'credential_rejected',
    detail: 'Bind a valid one.',
  })
  const others: readonly GrantOutcome[] = [
    { ok: false, failure: failure('transient') },
    { ok: true, token: createAccessToken('abc', 1_000, { monotonic: 0, wall: 0 }, 0) },
  ]
  for (const outcome of others) t.equal(await advised(outcome), outcome)
})

const SECONDS: readonly [kind: TokenFailure['kind'], nextTry: number, retryAfter: number][] = [
  ['transient', -1, 1],
  ['transient', 0, 1],
  ['transient', 1_000, 1],
  ['transient', 1_001, 2],
  ['transient', 30_000, 30],
  ['transient', 45_000, 30],
  ['rate_limited', 0, 1],
  ['rate_limited', 45_000, 45],
  ['rate_limited', 90_000, 60],
]

for (const [kind, nextTry, retryAfter] of SECONDS) {
  t.test(`${kind}: the next try in ${nextTry} ms is ${retryAfter} s to the caller`, async (t) => {
    const code = kind === 'transient' ? 'token_unavailable' : 'token_rate_limited'
    t.strictSame(publicFailure(failure(kind), nextTry), { code, retryAfter })
  })
}
