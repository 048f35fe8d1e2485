import t from 'tap'
import { publicFailure, type TokenFailure } from '../../src/token/token-failure.ts'

const failure = (kind: TokenFailure['kind']): TokenFailure => ({
  kind,
  reason: 'answered 500 of acme.authentication.example',
})

t.test('a failure that only an operator can end names no time to come back', async (t) => {
  t.strictSame(publicFailure(failure('rejected'), 5_000), { code: 'credential_rejected' })
  t.strictSame(publicFailure(failure('misconfigured'), 5_000), { code: 'token_endpoint_invalid' })
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
