import t from 'tap'
import { readinessOf } from '../../src/admin/readiness.ts'
import type { TokenFailure } from '../../src/token/token-failure.ts'
import type { TokenState } from '../../src/token/token-source.ts'

const lastFailure: TokenFailure = { kind: 'rejected', reason: 'answered 401 invalid_client' }
const TOKEN: TokenState = {
  freshness: 'fresh',
  secondsLeft: 3600,
  lastFailure: undefined,
  idle: false,
  waiters: 0,
}
const READY = { ready: true, reasons: [] }

const USABLE: Record<string, Partial<TokenState>> = {
  'a fresh token': {},
  'a token that is being renewed': { freshness: 'soft' },
  'a token that lasts, while the token server fails': { freshness: 'soft', lastFailure },
  'a token that expired because nobody asked for one': { freshness: 'expired', idle: true },
}

for (const [title, changed] of Object.entries(USABLE)) {
  t.test(`ready with ${title}`, async (t) => {
    t.strictSame(readinessOf('running', { ...TOKEN, ...changed }), READY)
  })
}

for (const freshness of ['none', 'hard', 'expired'] as const) {
  t.test(`a token that is ${freshness} is none in hand: not ready, and why`, async (t) => {
    t.strictSame(readinessOf('running', { ...TOKEN, freshness }), {
      ready: false,
      reasons: ['no usable token yet'],
    })
    t.strictSame(readinessOf('running', { ...TOKEN, freshness, lastFailure }), {
      ready: false,
      reasons: ['no usable token: the token server answered 401 invalid_client'],
    })
  })
}

t.test('not ready from the stop signal on, with every reason', async (t) => {
  t.strictSame(readinessOf('draining', TOKEN), { ready: false, reasons: ['stopping'] })
  t.strictSame(readinessOf('closing', { ...TOKEN, freshness: 'none' }), {
    ready: false,
    reasons: ['stopping', 'no usable token yet'],
  })
})
