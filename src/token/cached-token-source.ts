/**
 * A token source over a grant: one fetch in flight for any number of callers, renewal before the
 * token ages, and a memory of failures that protects the token server. The fetch belongs to no
 * caller: one that hangs up does not cancel it.
 */
import { LRUCache } from 'lru-cache'
import { elapsed, sleep, within, type Clock, type Instant } from '../clock.ts'
import type { Failure } from '../errors.ts'
import { ageOf, freshness, type AccessToken } from './access-token.ts'
import { FetchSchedule } from './fetch-schedule.ts'
import { RenewalLimit } from './renewal-limit.ts'
import { publicFailure, type TokenFailure } from './token-failure.ts'
import type {
  Credential,
  GrantOutcome,
  TokenOutcome,
  TokenSource,
  TokenState,
} from './token-source.ts'

export interface CachedTokenSourceOptions {
  readonly credential: Credential
  readonly clock: Clock
  /** In [0, 1). */
  readonly random: () => number
  /** How long a caller waits for a token at most, in ms. */
  readonly waitLimit: number
  /** Told of the outcome of every fetch. */
  readonly onOutcome: (outcome: GrantOutcome) => void
}

const MAX_WAITERS = 1_000
/** Scopes of a younger token are no news. */
const MIN_REFRESH_AGE_MS = 600_000
/** The credential in use, and the ones it replaces or is replaced by. */
const MAX_CREDENTIALS = 16

const WAITED_TOO_LONG: TokenFailure = { kind: 'transient', reason: 'gave no token in time' }

export class CachedTokenSource implements TokenSource {
  readonly #options: CachedTokenSourceOptions
  readonly #cache: LRUCache<string, AccessToken, Credential>
  readonly #stopped = new AbortController()
  readonly #schedule = new FetchSchedule()
  #credential: Credential
  #renewals = new RenewalLimit()
  /** Answered with 401 by the API: never sent again. */
  #rejected: AccessToken | undefined
  #lastUsedAt: Instant
  #waiters = 0
  /** Changes of the credential that were begun, and the last one that was completed. */
  #changes = 0
  #changed = 0
  #cancelTimer: (() => void) | undefined

  constructor(options: CachedTokenSourceOptions) {
    this.#options = options
    this.#credential = options.credential
    this.#lastUsedAt = options.clock.now()
    this.#cache = new LRUCache<string, AccessToken, Credential>({
      max: MAX_CREDENTIALS,
      fetchMethod: (_key, _stale, { context }) => this.#fetch(context),
    })
  }

  /** Fetches the first token before anybody asks for it. */
  start(): void {
    this.#renewInBackground()
  }

  /** No renewal happens any more; a fetch in flight ends early. */
  stop(): void {
    this.#cancelTimer?.()
    this.#stopped.abort()
  }

  peek(): AccessToken | undefined {
    const now = this.#options.clock.now()
    this.#lastUsedAt = now
    const token = this.#current()
    if (token === undefined) return undefined
    const age = freshness(token, now)
    if (age === 'fresh') return token
    this.#renewInBackground()
    return age === 'soft' ? token : undefined
  }

  async acquire(): Promise<TokenOutcome> {
    const token = this.peek()
    if (token !== undefined) return { ok: true, token }
    const remembered = this.#rememberedFailure()
    if (remembered !== undefined) return { ok: false, failure: remembered }
    if (this.#waiters >= MAX_WAITERS) return { ok: false, failure: { code: 'overloaded' } }
    this.#waiters += 1
    try {
      return await this.#wait()
    } finally {
      this.#waiters -= 1
    }
  }

  reject(token: AccessToken): boolean {
    if (token !== this.#current()) return true
    const now = this.#options.clock.now()
    if (!this.#renewals.allows(token, ageOf(token, now), now)) return false
    this.#rejected = token
    this.#schedule.expedite()
    if (this.#schedule.remembered(now) <= 0) void this.#renew()
    return true
  }

  accept(): void {
    this.#renewals.accepted()
  }

  isExpired(token: AccessToken): boolean {
    return freshness(token, this.#options.clock.now()) === 'expired'
  }

  refresh(token: AccessToken): void {
    const aged = ageOf(token, this.#options.clock.now()) >= MIN_REFRESH_AGE_MS
    if (aged && token === this.#current()) this.#renewInBackground()
  }

  /**
   * Make before break: the new credential is used from its first token on, and not at all if it
   * yields none.
   *
   * @returns whether the new credential is in use now
   */
  async replaceCredential(next: Credential): Promise<boolean> {
    this.#changes += 1
    const change = this.#changes
    const token = await this.#cache.fetch(next.cacheKey, { forceRefresh: true, context: next })
    // A later change that was quicker is not undone by an earlier one.
    if (token === undefined || change < this.#changed) return false
    this.#changed = change
    this.#credential = next
    this.#schedule.succeeded()
    this.#renewals = new RenewalLimit()
    this.#arm(token.softAge)
    return true
  }

  state(): TokenState {
    const token = this.#current()
    const now = this.#options.clock.now()
    const left = token === undefined ? 0 : token.lifetime - ageOf(token, now)
    return {
      freshness: token === undefined ? 'none' : freshness(token, now),
      secondsLeft: Math.max(0, Math.floor(left / 1000)),
      lastFailure: this.#schedule.failure,
      idle: this.#isIdle(token, now),
      waiters: this.#waiters,
    }
  }

  /** The token in hand, unless the API has rejected it. */
  #current(): AccessToken | undefined {
    const token = this.#cache.get(this.#credential.cacheKey)
    return token === this.#rejected ? undefined : token
  }

  async #wait(): Promise<TokenOutcome> {
    const { clock, waitLimit } = this.#options
    const token = await within(clock, waitLimit, this.#stopped.signal, this.#renew())
    if (token !== undefined && freshness(token, clock.now()) !== 'expired') {
      return { ok: true, token }
    }
    // The credential may have been replaced meanwhile, by one that has a token.
    const other = this.peek()
    if (other !== undefined) return { ok: true, token: other }
    const failure = this.#rememberedFailure() ?? publicFailure(WAITED_TOO_LONG, 0)
    return { ok: false, failure }
  }

  #rememberedFailure(): Failure | undefined {
    const { failure } = this.#schedule
    const left = this.#schedule.remembered(this.#options.clock.now())
    return failure !== undefined && left > 0 ? publicFailure(failure, left) : undefined
  }

  /** One flight: lru-cache hands every caller the fetch that is already under way. */
  #renew(): Promise<AccessToken | undefined> {
    const { cacheKey } = this.#credential
    return this.#cache.fetch(cacheKey, { forceRefresh: true, context: this.#credential })
  }

  #renewInBackground(): void {
    if (this.#stopped.signal.aborted) return
    const wait = this.#schedule.background(this.#options.clock.now())
    if (wait <= 0) void this.#renew()
    else if (this.#cancelTimer === undefined) this.#arm(wait)
  }

  async #fetch(credential: Credential): Promise<AccessToken | undefined> {
    const { clock, onOutcome } = this.#options
    const gap = this.#schedule.gap(clock.now())
    if (gap > 0) await sleep(clock, gap, this.#stopped.signal)
    if (this.#stopped.signal.aborted) return undefined
    this.#schedule.started(clock.now())
    const outcome = await credential.grant.request(this.#stopped.signal)
    if (this.#stopped.signal.aborted) return undefined
    if (credential === this.#credential) this.#settle(outcome)
    onOutcome(outcome)
    return outcome.ok ? outcome.token : undefined
  }

  #settle(outcome: GrantOutcome): void {
    const { clock, random } = this.#options
    if (outcome.ok) {
      this.#schedule.succeeded()
      this.#arm(outcome.token.softAge)
    } else {
      this.#arm(this.#schedule.failed(outcome.failure, clock.now(), random()))
    }
  }

  /** Timers can be late or lost in sleep, so every request checks as well; see peek(). */
  #arm(delay: number): void {
    this.#cancelTimer?.()
    this.#cancelTimer = this.#options.clock.schedule(delay, () => {
      this.#cancelTimer = undefined
      // The next request starts renewal again.
      if (!this.#isIdle(this.#current(), this.#options.clock.now())) this.#renewInBackground()
    })
  }

  /** Without a request for a whole lifetime renewal stops, unless there is a failure to mend. */
  #isIdle(token: AccessToken | undefined, now: Instant): boolean {
    const unused = elapsed(this.#lastUsedAt, now)
    return token !== undefined && this.#schedule.failure === undefined && unused > token.lifetime
  }
}
