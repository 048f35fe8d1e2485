/**
 * Which failure of a token request waits how long before the next try. Pure.
 * Source: SAP Help, "Best practices when handling access tokens" (retry table); with full jitter,
 * so that many instances do not come back together.
 */
import type { TokenFailure } from './token-failure.ts'

/** Tries within one attempt. */
export const MAX_TRIES = 3
/** Limit in ms for one attempt, its waits included. */
export const ATTEMPT_LIMIT_MS = 8_000

const exponential = (first: number, factor: number, failedTries: number): number =>
  first * factor ** (failedTries - 1)

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
