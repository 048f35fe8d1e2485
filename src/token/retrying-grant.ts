/** A grant that tries again by the retry schedule, within the limits of one attempt. */
import { type Clock, elapsed, sleep } from '../clock.ts'
import type { TokenFailure } from './token-response.ts'
import type { GrantOutcome, TokenGrant } from './token-source.ts'

interface RetryingGrantOptions {
  readonly grant: TokenGrant
  readonly clock: Clock
  /** In [0, 1). */
  readonly random: () => number
}

export const retryingGrant = (options: RetryingGrantOptions): TokenGrant => ({
  async request(signal) {
    const limit = new AbortController()
    const cancel = options.clock.schedule(ATTEMPT_LIMIT_MS, () => limit.abort())
    const outcome = await attempt(options, AbortSignal.any([signal, limit.signal]))
    cancel()
    return outcome
  },
})

/* FOLDED: Adds to the failure of a rejected credential what is to be done about it. */

/** @param advice public, see TokenFailure */
export const advisedGrant = (grant: TokenGrant, advice: string): TokenGrant => ({
  async request(signal) {
    const outcome = await grant.request(signal)
    return outcome.ok || outcome.failure.kind !== 'rejected'
      ? outcome
      : { ok: false, failure: { ...outcome.failure, advice } }
  },
})

/* FOLDED:
 * Which failure of a token request waits how long before the next try. Pure.
 * Source: SAP Help, "Best practices when handling access tokens" (retry table); with full jitter,
 * so that many instances do not come back together.
 */

/** Tries within one attempt. */
export const MAX_TRIES = 3

/** Limit in ms for one attempt, its waits included. */
export const ATTEMPT_LIMIT_MS = 8_000

/**
 * @param failedTries tries of this attempt that have failed, from 1
 * @param jitter in [0, 1)
 * @returns ms to wait, or `undefined` where another try cannot help
 */
export const retryDelay = (
  failure: TokenFailure,
  failedTries: number,
  jitter: number,
): number | undefined => {
  if (failedTries >= MAX_TRIES) return undefined
  switch (failure.kind) {
    case 'rejected':
    case 'misconfigured':
      return undefined
    case 'rate_limited':
      return (failure.retryAfter ?? 0) + jitter * exponential(1000, 3, failedTries)
    case 'transient': {
      const slow = failure.status === 200 || failure.status === 500 || failure.status === 503
      return jitter * (slow ? exponential(1000, 3, failedTries) : exponential(300, 2, failedTries))
    }
  }
}

/**
 * Wait after a failed attempt.
 *
 * @param failedAttempts attempts in a row that failed, from 1
 * @returns ms until the next one
 */
export const nextAttemptDelay = (
  failure: TokenFailure,
  failedAttempts: number,
  jitter: number,
): number => {
  switch (failure.kind) {
    case 'rejected':
    case 'misconfigured':
      return Math.min(5_000 * 2 ** (failedAttempts - 1), 60_000)
    case 'rate_limited':
      return Math.max(failure.retryAfter ?? 5_000, 1_000)
    case 'transient':
      return Math.max(jitter * Math.min(1000 * 2 ** failedAttempts, 30_000), 1_000)
  }
}

const attempt = async (
  { grant, clock, random }: RetryingGrantOptions,
  signal: AbortSignal,
): Promise<GrantOutcome> => {
  const startedAt = clock.now()
  let outcome = await grant.request(signal)
  for (let failedTries = 1; !outcome.ok; failedTries += 1) {
    const delay = retryDelay(outcome.failure, failedTries, random())
    const spent = elapsed(startedAt, clock.now())
    if (delay === undefined || spent + delay >= ATTEMPT_LIMIT_MS) break
    // oxlint-disable-next-line no-await-in-loop -- tries follow one another by nature
    await sleep(clock, delay, signal)
    if (signal.aborted) break
    // oxlint-disable-next-line no-await-in-loop -- see above
    outcome = await grant.request(signal)
  }
  return outcome
}

const exponential = (first: number, factor: number, failedTries: number): number =>
  first * factor ** (failedTries - 1)
