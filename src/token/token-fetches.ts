/**
 * Fetches of tokens, by credential: one flight for any number of callers, a distance between two,
 * and a memory of failures that protects the token server. A fetch belongs to no caller: one that
 * hangs up does not cancel it.
 */
import { createHash } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import { type Clock, elapsed, type Instant, sleep } from '../clock.ts'
import type { Failure } from '../errors.ts'
import type { AccessToken } from './access-token.ts'
import { nextFetchDelay } from './retrying-grant.ts'
import { publicFailure, type TokenFailure } from './token-response.ts'
import type { Credential, GrantOutcome, LastOutcome } from './token-source.ts'

interface TokenFetchesOptions {
  readonly clock: Clock
  /** In [0, 1). */
  readonly random: () => number
  /** Ends what is under way. */
  readonly signal: AbortSignal
  /** Told how every fetch ended, and whether a second chance has brought a token all the same. */
  readonly onOutcome: (outcome: GrantOutcome, credential: Credential, rescued: boolean) => void
  /** A rejected credential may have a second chance; `undefined`: it has none. */
  readonly secondChance: (credential: Credential) => Promise<AccessToken | undefined>
  /** @param due ms until the next fetch for this credential */
  readonly onSettled: (credential: Credential, due: number) => void
}

export class TokenFetches {
  readonly #options: TokenFetchesOptions
  readonly #cache: LRUCache<string, AccessToken, Credential>
  readonly #schedules = new WeakMap<Credential, FetchSchedule>()

  constructor(options: TokenFetchesOptions) {
    this.#options = options
    this.#cache = new LRUCache<string, AccessToken, Credential>({
      max: MAX_CREDENTIALS,
      fetchMethod: (_key, _stale, { context }) => this.#fetch(context),
    })
  }

  /** The last token of this credential, whatever its age. */
  tokenOf({ cacheKey }: Credential): AccessToken | undefined {
    return this.#cache.get(cacheKey)
  }

  scheduleOf(credential: Credential): FetchSchedule {
    let schedule = this.#schedules.get(credential)
    if (schedule === undefined) {
      schedule = new FetchSchedule()
      this.#schedules.set(credential, schedule)
    }
    return schedule
  }

  /** One flight: lru-cache hands every caller the fetch that is already under way. */
  fetch(credential: Credential): Promise<AccessToken | undefined> {
    return this.#cache.fetch(credential.cacheKey, { forceRefresh: true, context: credential })
  }

  async #fetch(credential: Credential): Promise<AccessToken | undefined> {
    const schedule = this.scheduleOf(credential)
    schedule.isUnderWay = true
    const token = await this.#request(credential, schedule)
    schedule.isUnderWay = false
    return token
  }

  async #request(
    credential: Credential,
    schedule: FetchSchedule,
  ): Promise<AccessToken | undefined> {
    const { clock, signal, onOutcome, secondChance } = this.#options
    const gap = schedule.gap(clock.now())
    if (gap > 0) await sleep(clock, gap, signal)
    if (signal.aborted) return undefined
    schedule.started(clock.now())
    const outcome = await credential.grant.request(signal)
    if (signal.aborted) return undefined
    const rejected = !outcome.ok && outcome.failure.kind === 'rejected'
    const token = rejected ? await secondChance(credential) : undefined
    onOutcome(outcome, credential, token !== undefined)
    return this.#settle(credential, token === undefined ? outcome : { ok: true, token })
  }

  #settle(credential: Credential, outcome: GrantOutcome): AccessToken | undefined {
    const { clock, random, onSettled } = this.#options
    const schedule = this.scheduleOf(credential)
    if (outcome.ok) schedule.succeeded()
    const due = outcome.ok
      ? outcome.token.softAge
      : schedule.failed(outcome.failure, clock.now(), random())
    onSettled(credential, due)
    return outcome.ok ? outcome.token : undefined
  }
}

/** When the next fetch may begin: gaps after the last one, and the memory of its failure. */
export class FetchSchedule {
  /** What the last fetch ended with. */
  outcome: LastOutcome = { kind: 'none' }
  isUnderWay = false
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
    this.#delay = nextFetchDelay(failure, this.#failures, jitter)
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

/**
 * Cache key of a credential: SHA-256 over length-prefixed parts, so that no two different lists of
 * parts meet. The secret is one of them: after a rotation the client id may stay the same. Hosts
 * alone never identify a key, because all tenants of a region share them.
 */
export const credentialFingerprint = (parts: readonly string[]): string => {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(`${Buffer.byteLength(part)}:`).update(part)
  return hash.digest('hex')
}

/** The credential in use, and the ones it replaces or is replaced by. */
const MAX_CREDENTIALS = 16

/** Least time in ms between the starts of two fetches: ends loops at any token lifetime. */
const MIN_GAP_MS = 1_000

const MIN_BACKGROUND_GAP_MS = 5_000
