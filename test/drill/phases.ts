/** The faults of a drill, in order, and which own answers each of them excuses. Pure data. */
import type { Fault } from '../fixtures/fault-course.ts'

/** Seconds that a token lives, where a phase says nothing else. */
export const LIFETIME = 12

/**
 * Lifetimes: with 16 s the soft point lies at 7.2–8.8 s and the hard one at 11 s, with 12 s at
 * 5.4–6.6 s and 7 s. From 10 s down every renewal makes callers wait: half of the life is margin.
 */
const LONG = { lifetime: 16 }
const SHORT = { lifetime: 5, tokenAge: 1.5 }
const UNAVAILABLE = { all: ['token_unavailable'] }

export const PHASES: readonly Fault[] = [
  { name: 'healthy', seconds: 2, ...LONG },
  // Over before the token is: nobody may notice.
  {
    name: 'token server down',
    seconds: 2.5,
    ...LONG,
    tokenAge: 7,
    tokens: 'down',
    ...UNAVAILABLE,
  },
  // Reads and small writes are replayed: nobody may notice.
  { name: 'API revokes tokens', seconds: 2.5, does: 'revoke' },
  // Slower than the rest of the token's life: callers wait, nobody is refused.
  { name: 'token server slow', seconds: 3.5, tokenAge: 5, tokens: 'slow' },
  {
    name: 'token server 429',
    seconds: 5.5,
    tokenAge: 5,
    tokens: 'limits',
    all: ['token_rate_limited'],
  },
  { name: 'token server 500', seconds: 4.5, ...SHORT, tokens: 'fails', ...UNAVAILABLE },
  { name: 'token server hangs', seconds: 4, ...SHORT, tokens: 'hangs', ...UNAVAILABLE },
  {
    name: 'credential rejected',
    seconds: 3,
    ...SHORT,
    tokens: 'rejects',
    all: ['credential_rejected'],
  },
  {
    name: 'token server garbage',
    seconds: 4,
    ...SHORT,
    tokens: 'garbage',
    all: ['token_unavailable', 'token_endpoint_invalid'],
  },
  {
    name: 'API revokes, server down',
    seconds: 3,
    tokens: 'down',
    does: 'revoke',
    ...UNAVAILABLE,
  },
  // Reads are sent again on a new connection; what became of a write nobody knows.
  { name: 'API resets connections', seconds: 4, api: 'flaps', writes: ['upstream_reset'] },
]

/** Ends every drill: whatever happened before, all is well again. */
const LAST: Fault = { name: 'healthy again', seconds: 2 }

/** What the times between two faults take on average, in seconds. */
const BETWEEN = 1.8

/** The phases that fit into the time, from the start again where there is more of it. */
export const planFor = (seconds: number, phases: readonly Fault[] = PHASES): readonly Fault[] => {
  const plan: Fault[] = []
  let left = seconds - LAST.seconds
  for (let i = 0; ; i += 1) {
    const phase = phases[i % phases.length] ?? LAST
    left -= phase.seconds + BETWEEN
    if (left < -BETWEEN) return [...plan, LAST]
    plan.push(phase)
  }
}
