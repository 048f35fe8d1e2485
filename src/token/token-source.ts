/** The port between whoever needs a token and whatever provides it. */
import type { Instant } from '../clock.ts'
import type { Failure } from '../errors.ts'
import type { AccessToken, Freshness } from './access-token.ts'
import type { TokenFailure } from './token-response.ts'

export type TokenOutcome =
  | { readonly ok: true; readonly token: AccessToken }
  | { readonly ok: false; readonly failure: Failure }

/** `none`: no request for a token has ended yet. */
export type LastOutcome = { readonly kind: 'none' | 'granted' } | TokenFailure

export interface TokenState {
  readonly freshness: Freshness | 'none'
  /** Seconds until the token expires; 0 without one. */
  readonly secondsLeft: number
  /** What the last request for a token ended with; it says nothing about the token in hand. */
  readonly lastOutcome: LastOutcome
  /** Renewal is suspended, because nobody has asked for a token for a whole lifetime. */
  readonly idle: boolean
  /** Callers waiting for a token. */
  readonly waiters: number
}

/** Where in its life the token in hand is; all in ms. */
export interface TokenTimeline {
  /** `undefined`: there is none. */
  readonly token:
    (Pick<AccessToken, 'softAge' | 'hardAge' | 'lifetime'> & { readonly age: number }) | undefined
  /** Until the next request for a token that nobody has to ask for; `undefined`: none is planned. */
  readonly renewalIn: number | undefined
}

/** The 401s that one request has met. */
export interface Refusal {
  /** When it met the first one. */
  readonly since: Instant
  readonly tokens: readonly AccessToken[]
  /** Another token is there or on its way, so that another try makes sense. */
  readonly isCurable: boolean
}

export interface TokenSource {
  /** A token that may be sent now, without waiting. Renews in the background when it is due. */
  peek(): AccessToken | undefined
  /**
   * A token, waiting for one if necessary, or why there is none. Never rejects.
   * @param left aborted when the caller does not wait any more, which frees its place
   * @param refusal what the request has met before: it gets a token that it has not tried
   */
  acquire(left?: AbortSignal, refusal?: Refusal): Promise<TokenOutcome>
  /**
   * The API answered 401 to this token.
   * @param target path and query of the request
   * @param earlier what the request had met before
   */
  reject(token: AccessToken, target: string, earlier?: Refusal): Refusal
  /** The API answered something else than 401. */
  accept(token: AccessToken, target: string): void
  isExpired(token: AccessToken): boolean
}

/** One exchange with a token server; wrappers add retries and caching. */
export interface TokenGrant {
  /** Never rejects. @param signal ends the exchange early */
  request(signal: AbortSignal): Promise<GrantOutcome>
}

export interface Credential {
  readonly grant: TokenGrant
  /** See `credentialFingerprint`. */
  readonly cacheKey: string
}

/**
 * What a fetch means for requests: they depend on the credential `in_use`. `rescued`: it was rejected,
 * but the previous one has given a token. `unused`: of a credential that is only tried, or was replaced.
 */
export type CredentialRole = 'in_use' | 'rescued' | 'unused'

export type GrantOutcome =
  | { readonly ok: true; readonly token: AccessToken }
  | { readonly ok: false; readonly failure: TokenFailure }
