/**
 * Wrappers of a grant, and the schedule of repetitions: one fetch is up to three tries, and a failed
 * fetch says when the next one is due. Source: SAP Help, "Best practices when handling access tokens"
 * (retry table); with full jitter, so that many instances do not come back together.
 */
import { type Clock, elapsed, sleep, withLimit } from '../clock.ts'
import type { TokenFailure } from './token-response.ts'
import type { GrantOutcome, TokenGrant } from './token-source.ts'

interface RetryingGrantOptions {
  readonly grant: TokenGrant
  readonly clock: Clock
  /** In [0, 1). */
  readonly random: () => number
}

/** Tries again by the schedule, within the limits of one fetch. */
export const retryingGrant = (options: RetryingGrantOptions): TokenGrant => ({
  request: (signal) =>
    withLimit(options.clock, FETCH_LIMIT_MS, [signal], (limit) => requestInTries(options, limit)),
})

/**
 * Adds to the failure of a rejected credential what is to be done about it.
 * @param advice public, see TokenFailure
 */
export const advisedGrant = (grant: TokenGrant, advice: string): TokenGrant => ({
  async request(signal) {
    const outcome = await grant.request(signal)
    return outcome.ok || outcome.failure.kind !== 'rejected'
      ? outcome
      : { ok: false, failure: { ...outcome.failure, advice } }
  },
})

/**
 * @param failedTries tries of this fetch that have failed, from 1
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
 * @param failedFetches fetches in a row that failed, from 1
 * @param jitter in [0, 1)
 * @returns ms until the next one
 */
export const nextFetchDelay = (
  failure: TokenFailure,
  failedFetches: number,
  jitter: number,
): number => {
  switch (failure.kind) {
    case 'rejected':
    case 'misconfigured':
      return Math.min(exponential(5_000, 2, failedFetches), 60_000)
    case 'rate_limited':
      return Math.max(failure.retryAfter ?? 5_000, 1_000)
    case 'transient':
      return Math.max(jitter * Math.min(exponential(2_000, 2, failedFetches), 30_000), 1_000)
  }
}

/** Limit in ms for one fetch, its waits included. */
const FETCH_LIMIT_MS = 8_000

const requestInTries = async (
  { grant, clock, random }: RetryingGrantOptions,
  signal: AbortSignal,
): Promise<GrantOutcome> => {
  const startedAt = clock.now()
  let outcome = await grant.request(signal)
  for (let failedTries = 1; !outcome.ok; failedTries += 1) {
    const delay = retryDelay(outcome.failure, failedTries, random())
    const spent = elapsed(startedAt, clock.now())
    if (delay === undefined || spent + delay >= FETCH_LIMIT_MS) break
    // oxlint-disable-next-line no-await-in-loop -- tries follow one another by nature
    await sleep(clock, delay, signal)
    if (signal.aborted) break
    // oxlint-disable-next-line no-await-in-loop -- see above
    outcome = await grant.request(signal)
  }
  return outcome
}

const MAX_TRIES = 3

const exponential = (first: number, factor: number, failures: number): number =>
  first * factor ** (failures - 1)
