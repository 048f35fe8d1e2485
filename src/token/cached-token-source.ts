/**
 * A token source over a grant: one fetch in flight for any number of callers, renewal before the
 * token ages, and a memory of failures that protects the token server. The fetch belongs to no
 * caller: one that hangs up does not cancel it.
 */
import { LRUCache } from 'lru-cache'
import { elapsed, sleep, type Clock, type Instant } from '../clock.ts'
import { freshness, type AccessToken } from './access-token.ts'
import { nextAttemptDelay } from './retry-schedule.ts'
import { publicFailure, type TokenFailure } from './token-failure.ts'
import type {
  GrantOutcome,
  TokenGrant,
  TokenOutcome,
  TokenSource,
  TokenState,
} from './token-source.ts'

export interface CachedTokenSourceOptions {
  readonly grant: TokenGrant
  /** Fingerprint of the credential, see credential-fingerprint.ts. */
  readonly cacheKey: string
  readonly clock: Clock
  /** In [0, 1). */
  readonly random: () => number
  /** How long a caller waits for a token at most, in ms. */
  readonly waitLimit: number
  /** Told of the outcome of every fetch. */
  readonly onOutcome: (outcome: GrantOutcome) => void
}

/** Least time between the starts of two fetches: ends loops at any token lifetime. */
const MIN_GAP_MS = 1_000
const MIN_BACKGROUND_GAP_MS = 5_000
const MAX_WAITERS = 1_000

const WAITED_TOO_LONG: TokenFailure = { kind: 'transient', reason: 'no token in time' }

interface FailureMemory {
  readonly failure: TokenFailure
  readonly attempts: number
  readonly at: Instant
  /** ms after `at` at which the next fetch is due. */
  readonly delay: number
}

export class CachedTokenSource implements TokenSource {
  readonly #options: CachedTokenSourceOptions
  readonly #cache: LRUCache<string, AccessToken>
  readonly #stopped = new AbortController()
  #failed: FailureMemory | undefined
  #fetchStartedAt: Instant | undefined
  #fetching = false
  #armed = false
  #lastUsedAt: Instant
  #waiters = 0
  #cancelTimer = (): void => {}

  constructor(options: CachedTokenSourceOptions) {
    this.#options = options
    this.#lastUsedAt = options.clock.now()
    this.#cache = new LRUCache({
      max: 16,
      fetchMethod: () => this.#fetch(),
    })
  }

  /** Fetches the first token before anybody asks for it. */
  start(): void {
    this.#renewInBackground()
  }

  /** No renewal happens any more; a fetch in flight ends early. */
  stop(): void {
    this.#cancelTimer()
    this.#stopped.abort()
  }

  peek(): AccessToken | undefined {
    const now = this.#options.clock.now()
    this.#lastUsedAt = now
    const token = this.#cache.get(this.#options.cacheKey)
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
      return await this.#await()
    } finally {
      this.#waiters -= 1
    }
  }

  state(): TokenState {
    const token = this.#cache.get(this.#options.cacheKey)
    const now = this.#options.clock.now()
    const left = token === undefined ? 0 : token.lifetime - elapsed(token.requestedAt, now)
    return {
      freshness: token === undefined ? 'none' : freshness(token, now),
      secondsLeft: Math.max(0, Math.floor(left / 1000)),
      lastFailure: this.#failed?.failure,
      idle: token !== undefined && this.#isIdle(token, now),
      waiters: this.#waiters,
    }
  }

  async #await(): Promise<TokenOutcome> {
    const deadline = new AbortController()
    const { clock, waitLimit } = this.#options
    const token = await Promise.race([
      this.#renew(),
      sleep(clock, waitLimit, AbortSignal.any([deadline.signal, this.#stopped.signal])),
    ])
    deadline.abort()
    if (token !== undefined && freshness(token, clock.now()) !== 'expired')
      return { ok: true, token }
    const failure = this.#rememberedFailure() ?? publicFailure(WAITED_TOO_LONG, MIN_GAP_MS)
    return { ok: false, failure }
  }

  #rememberedFailure() {
    const memory = this.#failed
    if (memory === undefined) return undefined
    const left = this.#failureLeft(memory)
    return left > 0 ? publicFailure(memory.failure, left) : undefined
  }

  /** One flight: lru-cache hands every caller the fetch that is already under way. */
  #renew(): Promise<AccessToken | undefined> {
    return this.#cache.fetch(this.#options.cacheKey, { forceRefresh: true })
  }

  #renewInBackground(): void {
    if (this.#fetching || this.#stopped.signal.aborted) return
    // After a failure its own schedule counts, so that what callers were told comes true.
    const wait =
      this.#failed === undefined
        ? this.#leftOf(MIN_BACKGROUND_GAP_MS)
        : this.#failureLeft(this.#failed)
    if (wait <= 0) void this.#renew()
    else if (!this.#armed) this.#arm(wait)
  }

  async #fetch(): Promise<AccessToken | undefined> {
    const { clock, grant, onOutcome } = this.#options
    this.#fetching = true
    const gap = this.#leftOf(MIN_GAP_MS)
    if (gap > 0) await sleep(clock, gap, this.#stopped.signal)
    this.#fetchStartedAt = clock.now()
    const outcome = await grant.request(this.#stopped.signal)
    this.#fetching = false
    if (this.#stopped.signal.aborted) return undefined
    this.#settle(outcome)
    onOutcome(outcome)
    return outcome.ok ? outcome.token : undefined
  }

  #settle(outcome: GrantOutcome): void {
    const { clock, random } = this.#options
    if (outcome.ok) {
      this.#failed = undefined
      this.#arm(outcome.token.softAge)
      return
    }
    const attempts = (this.#failed?.attempts ?? 0) + 1
    const delay = nextAttemptDelay(outcome.failure, attempts, random())
    this.#failed = { failure: outcome.failure, attempts, at: clock.now(), delay }
    this.#arm(delay)
  }

  /** Timers can be late or lost in sleep, so every request checks as well; see peek(). */
  #arm(delay: number): void {
    this.#cancelTimer()
    this.#armed = true
    this.#cancelTimer = this.#options.clock.schedule(delay, () => this.#onTimer())
  }

  #onTimer(): void {
    this.#armed = false
    const token = this.#cache.get(this.#options.cacheKey)
    // The next request starts renewal again.
    if (token !== undefined && this.#isIdle(token, this.#options.clock.now())) return
    this.#renewInBackground()
  }

  #isIdle(token: AccessToken, now: Instant): boolean {
    return this.#failed === undefined && elapsed(this.#lastUsedAt, now) > token.lifetime
  }

  #leftOf(gap: number): number {
    const startedAt = this.#fetchStartedAt
    return startedAt === undefined ? 0 : gap - elapsed(startedAt, this.#options.clock.now())
  }

  #failureLeft({ at, delay }: FailureMemory): number {
    return delay - elapsed(at, this.#options.clock.now())
  }
}
