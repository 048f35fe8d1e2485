/** An access token and its freshness by age. Pure: time is an argument. */
import { elapsed, type Instant } from '../clock.ts'

export interface AccessToken {
  readonly value: string
  /** Value of the `Authorization` field: `Bearer …` (RFC 6750 §2.1). */
  readonly authorization: string
  /** Taken before the token request was sent, so age is never underestimated. */
  readonly requestedAt: Instant
  /** Granted lifetime in ms. */
  readonly lifetime: number
  /** Age in ms from which it is renewed in the background. */
  readonly softAge: number
  /** Age in ms from which callers wait for a new one. */
  readonly hardAge: number
}

/**
 * `fresh`: serve. `soft`: serve and renew in the background. `hard`: wait for a new one.
 * `expired`: must never be sent.
 */
export type Freshness = 'fresh' | 'soft' | 'hard' | 'expired'

/**
 * @param lifetime in ms
 * @param spread in [0, 1): where in 45–55 % of the lifetime the soft point lies; keeps many
 *   instances apart. SAP advises renewal at half-life.
 */
export const createAccessToken = (
  value: string,
  lifetime: number,
  requestedAt: Instant,
  spread: number,
): AccessToken => {
  const hardAge = lifetime - hardMargin(lifetime)
  const softAge = Math.min((0.45 + 0.1 * spread) * lifetime, hardAge)
  return { value, authorization: `Bearer ${value}`, requestedAt, lifetime, softAge, hardAge }
}

/** Age in ms. */
export const ageOf = (token: AccessToken, now: Instant): number => elapsed(token.requestedAt, now)

/** How far it is in its life, without its value; in ms. */
export const progressOf = (token: AccessToken, now: Instant) => {
  const { softAge, hardAge, lifetime } = token
  return { age: ageOf(token, now), softAge, hardAge, lifetime }
}

export const freshness = (token: AccessToken, now: Instant): Freshness => {
  const age = ageOf(token, now)
  if (age < token.softAge) return 'fresh'
  if (age < token.hardAge) return 'soft'
  return age < token.lifetime ? 'hard' : 'expired'
}

/** How fresh it is, and how many whole seconds it has left; `none` and 0 without one. */
export const remaining = (token: AccessToken | undefined, now: Instant) =>
  token === undefined
    ? ({ freshness: 'none', secondsLeft: 0 } as const)
    : {
        freshness: freshness(token, now),
        secondsLeft: Math.max(0, Math.floor((token.lifetime - ageOf(token, now)) / 1000)),
      }

/** Distance from the end of life that is not used any more; scales down with short lifetimes. */
const hardMargin = (lifetime: number): number =>
  Math.min(Math.max(0.1 * lifetime, MIN_MARGIN_MS), MAX_MARGIN_MS, lifetime / 2)

const MIN_MARGIN_MS = 5_000

const MAX_MARGIN_MS = 60_000
