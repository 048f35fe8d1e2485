/**
 * A token source over grants: hands out the token at hand, has it renewed before it ages, lets callers
 * wait where there is none, and changes from one credential to the next without a break.
 */
import { setMaxListeners } from 'node:events'
import { type Clock, elapsed, type Instant, within } from '../clock.ts'
import type { Failure } from '../errors.ts'
import { type AccessToken, ageOf, freshness, progressOf, remaining } from './access-token.ts'
import { OwnAnswers, RenewalLimit, RenewalTimer } from './renewal.ts'
import { type FetchSchedule, TokenFetches } from './token-fetches.ts'
import type {
  Credential,
  CredentialRole,
  GrantOutcome,
  Refusal,
  TokenOutcome,
  TokenSource,
  TokenState,
  TokenTimeline,
} from './token-source.ts'
import { isServed, isYounger, TokensAtHand } from './tokens-at-hand.ts'

interface CachedTokenSourceOptions {
  readonly credential: Credential
  readonly clock: Clock
  /** In [0, 1). */
  readonly random: () => number
  /** How long a caller waits for a token at most, in ms. */
  readonly waitLimit: number
  /** Told of the outcome of every fetch. */
  readonly onOutcome: (outcome: GrantOutcome, role: CredentialRole) => void
  /** Asked when the credential in use is rejected: there may be a new one to replace it by. */
  readonly onRejected?: () => Promise<void>
}

export class CachedTokenSource implements TokenSource {
  readonly #options: CachedTokenSourceOptions
  readonly #fetches: TokenFetches
  readonly #stopped = new AbortController()
  readonly #previous: PreviousCredential
  #credential: Credential
  readonly #tokens = new TokensAtHand()
  readonly #ownAnswers = new OwnAnswers()
  #renewals = new RenewalLimit()
  #lastUsedAt: Instant
  #waiters = 0
  /** Changes of the credential that were begun, and the last one that was completed. */
  #changes = 0
  #changed = 0
  #rescuing = false
  readonly #timer: RenewalTimer

  constructor(options: CachedTokenSourceOptions) {
    this.#options = options
    this.#credential = options.credential
    this.#lastUsedAt = options.clock.now()
    // Every caller that waits listens to it.
    setMaxListeners(0, this.#stopped.signal)
    const { clock, random, onOutcome } = options
    this.#timer = new RenewalTimer(clock, () => this.#onDue())
    this.#previous = new PreviousCredential(clock)
    this.#fetches = new TokenFetches({
      clock,
      random,
      onOutcome: (outcome, credential, rescued) =>
        onOutcome(outcome, rescued ? 'rescued' : this.#roleOf(credential, outcome)),
      signal: this.#stopped.signal,
      secondChance: (credential) => this.#secondChance(credential),
      onSettled: (credential, due) => {
        if (credential === this.#credential) this.#onSettled(due)
      },
    })
  }

  /** Fetches the first token before anybody asks for it. */
  start(): void {
    this.#renewInBackground()
  }

  /** No renewal happens any more; a fetch in flight ends early. */
  stop(): void {
    this.#timer.cancel()
    this.#stopped.abort()
  }

  peek(): AccessToken | undefined {
    const now = this.#options.clock.now()
    this.#lastUsedAt = now
    const latest = this.#fetches.tokenOf(this.#credential)
    if (latest !== undefined && freshness(latest, now) !== 'fresh') this.#renewInBackground()
    const token = this.#tokens.best(latest, now)
    return token !== undefined && isServed(token, now) ? token : undefined
  }

  async acquire(left?: AbortSignal, refusal?: Refusal): Promise<TokenOutcome> {
    const token = this.#suitable(refusal)
    if (token !== undefined) return { ok: true, token }
    const outcome = await this.#renewed(left, refusal)
    if (outcome.ok || refusal !== undefined) return outcome
    // Rather than being withheld, a token is used to its last second.
    const rest = this.#current(this.#options.clock.now())
    return rest === undefined || this.isExpired(rest) ? outcome : { ok: true, token: rest }
  }

  reject(token: AccessToken, target: string, earlier?: Refusal): Refusal {
    const now = this.#options.clock.now()
    const since = earlier?.since ?? now
    const tokens = [...(earlier?.tokens ?? []), token]
    return { since, tokens, isCurable: this.#isCurable({ since, tokens }, target, now) }
  }

  accept(token: AccessToken, target: string): void {
    this.#tokens.accept(token)
    this.#ownAnswers.delete(target)
    this.#renewals.accepted()
  }

  isExpired(token: AccessToken): boolean {
    return freshness(token, this.#options.clock.now()) === 'expired'
  }

  /**
   * Make before break: the new credential is used from its first token on, and not at all if it
   * yields none. A fresh token of the old one stays in use up to its soft point, unless the API
   * rejects it.
   *
   * @returns whether the new credential is in use now
   */
  async replaceCredential(next: Credential): Promise<boolean> {
    this.#changes += 1
    const change = this.#changes
    const token = await this.#fetches.fetch(next)
    // A later change that was quicker is not undone by an earlier one.
    if (token === undefined || change < this.#changed) return false
    this.#changed = change
    const now = this.#options.clock.now()
    if (next.cacheKey !== this.#credential.cacheKey) {
      this.#tokens.keep(this.#current(now))
      this.#previous.keep(this.#credential)
    }
    this.#credential = next
    this.#renewals = new RenewalLimit()
    this.#timer.arm(token.softAge)
    return true
  }

  state(): TokenState {
    const now = this.#options.clock.now()
    const token = this.#current(now)
    return {
      ...remaining(token, now),
      lastOutcome: this.#schedule.outcome,
      idle: this.#isIdle(token, now),
      waiters: this.#waiters,
    }
  }

  timeline(): TokenTimeline {
    const now = this.#options.clock.now()
    const token = this.#current(now)
    return { token: token && progressOf(token, now), renewalIn: this.#timer.dueIn }
  }

  get #schedule(): FetchSchedule {
    return this.#fetches.scheduleOf(this.#credential)
  }

  /** The best token in hand, whatever its age. */
  #current(now: Instant): AccessToken | undefined {
    return this.#tokens.best(this.#fetches.tokenOf(this.#credential), now)
  }

  /** A token to be sent without waiting. */
  #suitable(refusal?: Refusal): AccessToken | undefined {
    return refusal === undefined ? this.peek() : this.#untried(refusal)
  }

  #untried(refusal: Pick<Refusal, 'tokens' | 'since'>): AccessToken | undefined {
    const latest = this.#fetches.tokenOf(this.#credential)
    return this.#tokens.untried(latest, refusal, this.#options.clock.now())
  }

  #isCurable(refusal: Pick<Refusal, 'tokens' | 'since'>, target: string, now: Instant): boolean {
    const { tokens, since } = refusal
    const isKnown = this.#ownAnswers.has(target, now)
    const token = tokens.at(-1) as AccessToken
    if (!isKnown && !tokens.some((each) => isYounger(each, since))) {
      this.#tokens.refuse(token)
      return this.#untried(refusal) !== undefined || this.#forceRenewal(token, now)
    }
    if (this.#untried(refusal) !== undefined) return true
    // 401 to a token that was requested after a 401: the path's own answer, and no token's fault.
    for (const each of tokens) this.#tokens.accept(each)
    if (isKnown) return false
    this.#ownAnswers.add(target, now)
    this.#renewals.giveBack(now)
    return false
  }

  /** @returns whether a token is on its way, or callers are to be told why there is none */
  #forceRenewal(token: AccessToken, now: Instant): boolean {
    const schedule = this.#schedule
    // If that one was requested too early to help, it does not count, and the next one can be forced.
    if (schedule.isUnderWay) return true
    const isAllowed = this.#renewals.allows(token, ageOf(token, now), now)
    if (isAllowed) schedule.expedite()
    if (schedule.remembered(now) > 0) return true
    // After a failure another fetch is due anyway.
    if (!isAllowed && schedule.failure === undefined) return false
    void this.#fetches.fetch(this.#credential)
    return true
  }

  async #renewed(left?: AbortSignal, refusal?: Refusal): Promise<TokenOutcome> {
    const remembered = this.#schedule.refusal(this.#options.clock.now())
    if (remembered !== undefined) return { ok: false, failure: remembered }
    const limit = this.#waitLimit(refusal)
    // Not even for a turn: the token in hand could expire in it.
    if (limit === 0) return { ok: false, failure: WAITED_TOO_LONG }
    if (this.#waiters >= MAX_WAITERS) return { ok: false, failure: { code: 'overloaded' } }
    this.#waiters += 1
    try {
      return await this.#wait(limit, left, refusal)
    } finally {
      this.#waiters -= 1
    }
  }

  async #wait(limit: number, left?: AbortSignal, refusal?: Refusal): Promise<TokenOutcome> {
    const { clock } = this.#options
    const stopped = this.#stopped.signal
    const over = left === undefined ? [stopped] : [stopped, left]
    const token = await within(clock, limit, over, this.#fetches.fetch(this.#credential))
    const isNew = token !== undefined && refusal?.tokens.includes(token) !== true
    if (isNew && !this.isExpired(token)) return { ok: true, token }
    // The credential may have been replaced meanwhile, by one that has a token.
    const other = this.#suitable(refusal)
    if (other !== undefined) return { ok: true, token: other }
    return { ok: false, failure: this.#schedule.refusal(clock.now()) ?? WAITED_TOO_LONG }
  }

  /** Nobody waits so long that the token in hand expires meanwhile. */
  #waitLimit(refusal?: Refusal): number {
    const { clock, waitLimit } = this.#options
    const now = clock.now()
    const token = refusal === undefined ? this.#current(now) : undefined
    if (token === undefined || this.isExpired(token)) return waitLimit
    return Math.min(waitLimit, Math.max(0, token.lifetime - ageOf(token, now) - LAST_MS))
  }

  #onSettled(due: number): void {
    const before = this.#fetches.tokenOf(this.#credential)
    const isGranted = this.#schedule.failure === undefined
    if (isGranted && before !== undefined) {
      this.#tokens.replaced(before, this.#options.clock.now())
    }
    this.#timer.arm(due)
  }

  /** A new credential is in use from its first token on. */
  #roleOf(credential: Credential, { ok }: GrantOutcome): CredentialRole {
    const taken = ok && !this.#previous.is(credential)
    return taken || credential === this.#credential ? 'in_use' : 'unused'
  }

  #renewInBackground(): void {
    if (this.#stopped.signal.aborted) return
    const wait = this.#schedule.background(this.#options.clock.now())
    if (wait <= 0) void this.#fetches.fetch(this.#credential)
    else if (!this.#timer.isArmed) this.#timer.arm(wait)
  }

  /** A credential in use that is rejected: there may be a new one, or the previous one still works. */
  async #secondChance(credential: Credential): Promise<AccessToken | undefined> {
    // Never within one another: two credentials must not wait for each other.
    if (this.#rescuing || credential !== this.#credential) return undefined
    this.#rescuing = true
    try {
      await this.#options.onRejected?.()
      return credential === this.#credential ? await this.#previous.token(this.#fetches) : undefined
    } finally {
      this.#rescuing = false
    }
  }

  /** Timers can be late or lost in sleep, so every request checks as well; see peek(). */
  #onDue(): void {
    const now = this.#options.clock.now()
    // The next request starts renewal again.
    if (!this.#isIdle(this.#current(now), now)) this.#renewInBackground()
  }

  /** Without a request for a whole lifetime renewal stops, unless there is a failure to mend. */
  #isIdle(token: AccessToken | undefined, now: Instant): boolean {
    const unused = elapsed(this.#lastUsedAt, now)
    return token !== undefined && this.#schedule.failure === undefined && unused > token.lifetime
  }
}

const MAX_WAITERS = 1_000

/** Before the end of a token, from which on nobody waits for the next one any more, in ms. */
const LAST_MS = 1_000

const WAITED_TOO_LONG: Failure = { code: 'token_unavailable', retryAfter: 1 }

/**
 * The credential that was replaced. It stays valid for a while on the platform, and is asked where
 * the new one turns out to be rejected.
 */
class PreviousCredential {
  readonly #clock: Clock
  #kept: { readonly credential: Credential; readonly since: Instant } | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  keep(credential: Credential): void {
    this.#kept = { credential, since: this.#clock.now() }
  }

  is(credential: Credential): boolean {
    return this.#kept?.credential === credential
  }

  /** @returns `undefined`: there is none, it is too old, or gives no token either */
  async token(fetches: TokenFetches): Promise<AccessToken | undefined> {
    const kept = this.#kept
    if (kept === undefined || elapsed(kept.since, this.#clock.now()) > KEPT_MS) return undefined
    const token = await fetches.fetch(kept.credential)
    const rejected = fetches.scheduleOf(kept.credential).outcome.kind === 'rejected'
    if (rejected && kept === this.#kept) this.#kept = undefined
    return token
  }
}

/** No rotation keeps a replaced credential alive for longer without saying so. */
const KEPT_MS = 24 * 3_600_000
