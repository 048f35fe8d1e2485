/**
 * Fetches of tokens, by credential: one flight for any number of callers, a distance between two,
 * and a memory of failures that protects the token server. A fetch belongs to no caller: one that
 * hangs up does not cancel it.
 */
import { LRUCache } from 'lru-cache'
import { sleep, type Clock } from '../clock.ts'
import type { AccessToken } from './access-token.ts'
import { FetchSchedule } from './fetch-schedule.ts'
import type { Credential, GrantOutcome } from './token-source.ts'

export interface TokenFetchesOptions {
  readonly clock: Clock
  /** In [0, 1). */
  readonly random: () => number
  /** Ends what is under way. */
  readonly signal: AbortSignal
  /** Told of every answer of a token server. */
  readonly onOutcome: (outcome: GrantOutcome) => void
  /** A rejected credential may have a second chance; `undefined`: it has none. */
  readonly secondChance: (credential: Credential) => Promise<AccessToken | undefined>
  /** @param due ms until the next fetch for this credential */
  readonly onSettled: (credential: Credential, due: number) => void
}

/** The credential in use, and the ones it replaces or is replaced by. */
const MAX_CREDENTIALS = 16

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
    const { clock, signal, onOutcome, secondChance } = this.#options
    const schedule = this.scheduleOf(credential)
    const gap = schedule.gap(clock.now())
    if (gap > 0) await sleep(clock, gap, signal)
    if (signal.aborted) return undefined
    schedule.started(clock.now())
    const outcome = await credential.grant.request(signal)
    if (signal.aborted) return undefined
    onOutcome(outcome)
    if (outcome.ok || outcome.failure.kind !== 'rejected') return this.#settle(credential, outcome)
    const token = await secondChance(credential)
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
