/** The faults, in order, and which own answers of the proxy each of them excuses. Pure data. */
import type { Allowance } from './record.ts'

export type TokenScript =
  'grants' | 'down' | 'slow' | 'limits' | 'fails' | 'hangs' | 'rejects' | 'garbage'

export type ApiScript = 'serves' | 'flaps'

export interface Phase {
  readonly name: string
  /** How long the fault lasts. */
  readonly seconds: number
  /** `expires_in` of the tokens granted from the end of the previous fault on. */
  readonly lifetime: number
  /**
   * The fault begins when the token in hand is this old, in seconds, so that its renewal falls
   * into the fault; without it, any usable token will do.
   */
  readonly tokenAge?: number
  readonly tokens: TokenScript
  readonly api: ApiScript
  /** The API rejects, from now on, every token granted so far. */
  readonly revokes?: true
  /**
   * Excused in this phase, and after it until there is a token again; but nothing excuses a
   * refusal while a usable token exists.
   */
  readonly allows: Allowance
}

const nothing: Allowance = { all: [], writes: [] }
const only = (...all: readonly string[]): Allowance => ({ all, writes: [] })
const unavailable = only('token_unavailable')

const calm = { lifetime: 12, tokens: 'grants', api: 'serves', allows: nothing } as const

const healthy: Phase = { ...calm, name: 'healthy', seconds: 2, lifetime: 16 }

/**
 * Lifetimes: with 16 s the soft point lies at 7.2–8.8 s and the hard one at 11 s, with 12 s at
 * 5.4–6.6 s and 7 s. From 10 s down every renewal makes callers wait: half of the life is margin.
 */
export const PHASES: readonly Phase[] = [
  healthy,
  // Over before the token is: nobody may notice.
  {
    ...calm,
    name: 'token server down',
    seconds: 2.5,
    lifetime: 16,
    tokenAge: 7,
    tokens: 'down',
    allows: unavailable,
  },
  // A read is replayed, a write has to be sent again by its caller.
  {
    ...calm,
    name: 'API revokes tokens',
    seconds: 2.5,
    revokes: true,
    allows: { all: [], writes: ['token_refreshed_retry'] },
  },
  // Slower than the rest of the token's life: callers wait, nobody is refused.
  { ...calm, name: 'token server slow', seconds: 3.5, tokenAge: 5, tokens: 'slow' },
  {
    ...calm,
    name: 'token server 429',
    seconds: 5.5,
    tokenAge: 5,
    tokens: 'limits',
    allows: only('token_rate_limited'),
  },
  {
    ...calm,
    name: 'token server 500',
    seconds: 4.5,
    lifetime: 5,
    tokenAge: 1.5,
    tokens: 'fails',
    allows: unavailable,
  },
  {
    ...calm,
    name: 'token server hangs',
    seconds: 4,
    lifetime: 5,
    tokenAge: 1.5,
    tokens: 'hangs',
    allows: unavailable,
  },
  {
    ...calm,
    name: 'credential rejected',
    seconds: 3,
    lifetime: 5,
    tokenAge: 1.5,
    tokens: 'rejects',
    allows: only('credential_rejected'),
  },
  {
    ...calm,
    name: 'token server garbage',
    seconds: 4,
    lifetime: 5,
    tokenAge: 1.5,
    tokens: 'garbage',
    allows: only('token_unavailable', 'token_endpoint_invalid'),
  },
  {
    ...calm,
    name: 'API revokes, server down',
    seconds: 3,
    tokens: 'down',
    revokes: true,
    allows: { all: ['token_unavailable'], writes: ['token_refreshed_retry'] },
  },
  // Reads are sent again on a new connection; what became of a write nobody knows.
  {
    ...calm,
    name: 'API resets connections',
    seconds: 4,
    api: 'flaps',
    allows: { all: [], writes: ['upstream_reset'] },
  },
]

/** Ends every drill: whatever happened before, all is well again. */
const LAST: Phase = { ...healthy, name: 'healthy again', lifetime: 12 }

/** What the times between two faults take on average, in seconds. */
const BETWEEN = 1.8

/** The phases that fit into the time, from the start again where there is more of it. */
export const planFor = (seconds: number, phases: readonly Phase[] = PHASES): readonly Phase[] => {
  const plan: Phase[] = []
  let left = seconds - LAST.seconds
  for (let i = 0; ; i += 1) {
    const phase = phases[i % phases.length] ?? LAST
    left -= phase.seconds + BETWEEN
    if (left < -BETWEEN) return [...plan, LAST]
    plan.push(phase)
  }
}
