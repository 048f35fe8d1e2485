/** When the next fetch may begin: gaps after the last one, and the memory of its failure. */
import { elapsed, type Instant } from '../clock.ts'
import type { Failure } from '../errors.ts'
import { nextAttemptDelay } from './retry-schedule.ts'
import { publicFailure, type TokenFailure } from './token-failure.ts'
import type { LastOutcome } from './token-source.ts'

/** Least time in ms between the starts of two fetches: ends loops at any token lifetime. */
const MIN_GAP_MS = 1_000
const MIN_BACKGROUND_GAP_MS = 5_000

export class FetchSchedule {
  /** What the last fetch ended with. */
  outcome: LastOutcome = { kind: 'none' }
  #failures = 0
  #failedAt: Instant | undefined
  #startedAt: Instant | undefined
  #delay = 0

  /** Why the last fetch failed; `undefined`: it did not. */
  get failure(): TokenFailure | undefined {
    return 'reason' in this.outcome ? this.outcome : undefined
  }

  started(now: Instant): void {
    this.#startedAt = now
  }

  succeeded(): void {
    this.outcome = { kind: 'granted' }
    this.#failures = 0
    this.#failedAt = undefined
  }

  /**
   * @param jitter in [0, 1)
   * @returns ms until the next fetch is due
   */
  failed(failure: TokenFailure, now: Instant, jitter: number): number {
    this.#failures = failure.kind === this.outcome.kind ? this.#failures + 1 : 1
    this.outcome = failure
    this.#failedAt = now
    this.#delay = nextAttemptDelay(failure, this.#failures, jitter)
    return this.#delay
  }

  /** Something more urgent than before: what may have passed by itself is tried again at once. */
  expedite(): void {
    if (this.outcome.kind === 'transient') this.#failedAt = undefined
  }

  /** ms for which any fetch has to wait; 0 or less: none. */
  gap(now: Instant): number {
    return MIN_GAP_MS - this.#sinceStart(now)
  }

  /** ms for which the last failure is remembered. */
  remembered(now: Instant): number {
    return this.#failedAt === undefined ? 0 : this.#delay - elapsed(this.#failedAt, now)
  }

  /** What callers are told while the last failure is remembered. */
  refusal(now: Instant): Failure | undefined {
    const left = this.remembered(now)
    return this.failure !== undefined && left > 0 ? publicFailure(this.failure, left) : undefined
  }

  /** ms for which a fetch that nobody waits for has to wait. */
  background(now: Instant): number {
    // After a failure its own schedule counts, so that what callers were told comes true.
    return this.failure === undefined
      ? MIN_BACKGROUND_GAP_MS - this.#sinceStart(now)
      : this.remembered(now)
  }

  #sinceStart(now: Instant): number {
    return this.#startedAt === undefined ? Infinity : elapsed(this.#startedAt, now)
  }
}
