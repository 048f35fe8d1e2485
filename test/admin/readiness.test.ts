import t from 'tap'
import { readinessOf as readinessOfAll, type KeyState } from '../../src/admin/readiness.ts'
import type { Phase } from '../../src/lifecycle.ts'
import type { TokenFailure } from '../../src/token/token-response.ts'
import type { TokenState } from '../../src/token/token-source.ts'

const FAILED: TokenFailure = { kind: 'rejected', reason: 'answered 401 invalid_client' }
const TOKEN: TokenState = {
  freshness: 'fresh',
  secondsLeft: 3600,
  lastOutcome: { kind: 'granted' },
  idle: false,
  waiters: 0,
}
/** Of the one key there mostly is. */
const readinessOf = (phase: Phase, token: TokenState) =>
  readinessOfAll(phase, [{ name: 'intas', token, refused: undefined }])

const READY = { ready: true, reasons: [] }

const USABLE: Record<string, Partial<TokenState>> = {
  'a fresh token': {},
  'a token that is being renewed': { freshness: 'soft' },
  'a token that lasts, while the token server fails': { freshness: 'soft', lastOutcome: FAILED },
  'a token that expired because nobody asked for one': { freshness: 'expired', idle: true },
}

for (const [title, changed] of Object.entries(USABLE)) {
  t.test(`ready with ${title}`, async (t) => {
    t.strictSame(readinessOf('running', { ...TOKEN, ...changed }), READY)
  })
}

for (const freshness of ['none', 'hard', 'expired'] as const) {
  t.test(`a token that is ${freshness} is none in hand: not ready, and why`, async (t) => {
    for (const kind of ['none', 'granted'] as const) {
      t.strictSame(readinessOf('running', { ...TOKEN, freshness, lastOutcome: { kind } }), {
        ready: false,
        reasons: ['no usable token yet'],
      })
    }
    t.strictSame(readinessOf('running', { ...TOKEN, freshness, lastOutcome: FAILED }), {
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

t.test('several keys', async (t) => {
  const dev: KeyState = { name: 'dev', token: TOKEN, refused: undefined }
  const prod: KeyState = {
    name: 'prod',
    token: { ...TOKEN, freshness: 'none' },
    refused: undefined,
  }

  t.test('are ready with one of them, and tell of the other', async (t) => {
    t.strictSame(readinessOfAll('running', [dev, prod]), {
      ready: true,
      reasons: ['key "prod": no usable token yet'],
    })
  })

  t.test('are not ready where none is', async (t) => {
    t.strictSame(readinessOfAll('running', [{ ...dev, token: prod.token }, prod]), {
      ready: false,
      reasons: ['key "dev": no usable token yet', 'key "prod": no usable token yet'],
    })
  })
})

t.test('a new key that cannot be used is told of, while the old one works', async (t) => {
  t.strictSame(readinessOfAll('running', [{ name: 'a', token: TOKEN, refused: 'no "url"' }]), {
    ready: true,
    reasons: [
      'the service key has changed, but cannot be used; the old key stays in use: no "url"',
    ],
  })
})
