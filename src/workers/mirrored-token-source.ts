/**
 * The token source of a worker: a copy of the one in the primary. A token at hand is handed out
 * without a word to anybody; the primary is asked only where there is none. What the API says to a
 * token goes to the primary, which decides for all workers together.
 */
import { elapsed, type Clock, type Instant } from '../clock.ts'
import {
  freshness,
  mayLackScopes,
  type AccessToken,
  type Freshness,
} from '../token/access-token.ts'
import type { TokenOutcome, TokenSource } from '../token/token-source.ts'
import type { ToPrimary, TokenCopy, WireToken } from './protocol.ts'
import type { TokenQuestions } from './token-questions.ts'

export interface MirrorOptions {
  /** The number by which the primary knows the source. */
  readonly source: number
  readonly clock: Clock
  /** What to add to the monotonic clock of the primary; rather too little than too much. */
  readonly offset: number
  readonly send: (message: ToPrimary) => void
  readonly questions: TokenQuestions
  /** Told of every token before it is handed out. */
  readonly onToken: (value: string) => void
}

interface MirroredToken extends AccessToken {
  readonly id: number
}

/** How often the primary hears that tokens are in use: part of the lifetime, and ms at most. */
const USE_PART = 20
const MAX_USE_MS = 60_000
/** The same for what should happen soon: a renewal that is due, scopes that may have changed. */
const URGENT_MS = 1_000

export class MirroredTokenSource implements TokenSource {
  readonly #options: MirrorOptions
  #copy: TokenCopy = { renewableAt: 0, doubted: false }
  #token: MirroredToken | undefined
  /** Answered with 401, and given up here; the primary may not have heard of it yet. */
  #rejected: number | undefined
  /** The last rejection that was passed on. */
  #reported: number | undefined
  #usedAt: Instant | undefined
  #refreshedAt: Instant | undefined

  constructor(options: MirrorOptions) {
    this.#options = options
  }

  /** The primary's source has changed. */
  update(copy: TokenCopy): void {
    this.#copy = copy
    this.#token = copy.token && this.#adopt(copy.token)
  }

  peek(): AccessToken | undefined {
    const token = this.#current()
    if (token === undefined) return undefined
    const now = this.#options.clock.now()
    const age = freshness(token, now)
    if (age !== 'fresh' && age !== 'soft') return undefined
    this.#tellUse(token, age, now)
    return token
  }

  async acquire(left?: AbortSignal): Promise<TokenOutcome> {
    const token = this.peek()
    if (token !== undefined) return { ok: true, token }
    const { source, questions } = this.#options
    const outcome = await questions.ask(source, left)
    if (!outcome.ok) return outcome
    if (outcome.token.id === this.#rejected) {
      // The primary keeps it in use: no renewal may be forced now.
      this.#rejected = undefined
      return { ok: false, failure: { code: 'upstream_rejected_token' } }
    }
    return { ok: true, token: this.#adopt(outcome.token) }
  }

  reject(token: AccessToken): boolean {
    const { id } = token as MirroredToken
    if (id !== this.#current()?.id) return true
    const { clock, offset } = this.#options
    const renewed = clock.now().monotonic >= this.#copy.renewableAt + offset
    if (renewed) this.#rejected = id
    // A second time says nothing new, unless it may be renewed by now.
    if (renewed || this.#reported !== id) this.#send({ kind: 'rejected', token: id })
    this.#reported = id
    return renewed
  }

  accept(): void {
    if (!this.#copy.doubted) return
    this.#copy = { ...this.#copy, doubted: false }
    this.#send({ kind: 'accepted' })
  }

  isExpired(token: AccessToken): boolean {
    return freshness(token, this.#options.clock.now()) === 'expired'
  }

  refresh(token: AccessToken): void {
    const now = this.#options.clock.now()
    const { id } = token as MirroredToken
    if (id !== this.#current()?.id || !mayLackScopes(token, now)) return
    if (this.#refreshedAt !== undefined && elapsed(this.#refreshedAt, now) < URGENT_MS) return
    this.#refreshedAt = now
    this.#send({ kind: 'refresh', token: id })
  }

  #current(): MirroredToken | undefined {
    return this.#token?.id === this.#rejected ? undefined : this.#token
  }

  /** One object for one token, in this process' time. */
  #adopt(wire: WireToken): MirroredToken {
    if (wire.id === this.#token?.id) return this.#token
    const { offset, onToken } = this.#options
    onToken(wire.value)
    const { monotonic, wall } = wire.requestedAt
    return {
      ...wire,
      authorization: `Bearer ${wire.value}`,
      requestedAt: { monotonic: monotonic + offset, wall },
    }
  }

  /** Renewal goes on while tokens are used, and happens now where the primary's timer is late. */
  #tellUse(token: AccessToken, age: Freshness, now: Instant): void {
    const pause = age === 'soft' ? URGENT_MS : Math.min(MAX_USE_MS, token.lifetime / USE_PART)
    if (this.#usedAt !== undefined && elapsed(this.#usedAt, now) < pause) return
    this.#usedAt = now
    this.#send({ kind: 'used' })
  }

  #send(
    message:
      | { readonly kind: 'used' | 'accepted' }
      | { readonly kind: 'rejected' | 'refresh'; readonly token: number },
  ): void {
    this.#options.send({ ...message, source: this.#options.source })
  }
}
