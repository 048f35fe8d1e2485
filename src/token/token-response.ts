/**
 * Response of the token endpoint → token value and lifetime, or why there is none. Pure.
 * RFC 6749 §5.1 and §5.2; what it refuses must never become a header towards the API.
 */
import type { Failure } from '../errors.ts'

export interface TokenResponse {
  readonly status: number
  readonly contentType: string
  readonly retryAfter: string | undefined
  /** `undefined`: its content codings cannot be undone. */
  readonly body: string | undefined
}

type ParsedTokenResponse =
  | { readonly ok: true; readonly value: string; /** in ms */ readonly lifetime: number }
  | { readonly ok: false; readonly failure: TokenFailure }

/** @param wall wall clock in ms, to read a `Retry-After` date */
export const parseTokenResponse = (response: TokenResponse, wall: number): ParsedTokenResponse => {
  const { status, body } = response
  if (status === 200) {
    return body === undefined
      ? failure('transient', 'answered 200 with a body that cannot be decoded', { status })
      : parseGranted(body, response.contentType)
  }
  return { ok: false, failure: statusFailure(response, oauthError(body), wall) }
}

/** Why there is no token. */
export interface TokenFailure {
  readonly kind:
    | 'rejected' // the credential, or what is asked for with it; trying again cannot help
    | 'misconfigured' // the URL is not that of a token endpoint
    | 'rate_limited'
    | 'transient'
  /** For the operator and for probes. Holds statuses and error codes, no other piece of the answer. */
  readonly reason: string
  /** The OAuth error that it was rejected with. */
  readonly code?: string
  /** For the operator: what is to be done about this error. */
  readonly remedy?: string
  /** What the server says about it: for what is redacted only, the server may repeat anything. */
  readonly description?: string
  /** Public: what callers are told beside the fact. */
  readonly advice?: string
  /** HTTP status of the token server, where there was an answer. */
  readonly status?: number
  /** What the server asked for in `Retry-After`, in ms. */
  readonly retryAfter?: number
}

/**
 * What a failure means to the caller.
 * @param nextTry ms until the token is tried for again
 */
export const publicFailure = (failure: TokenFailure, nextTry: number): Failure => {
  const detail = failure.advice === undefined ? {} : { detail: failure.advice }
  switch (failure.kind) {
    case 'rejected':
      return { code: 'credential_rejected', ...detail }
    case 'misconfigured':
      return { code: 'token_endpoint_invalid' }
    case 'rate_limited':
      return { code: 'token_rate_limited', retryAfter: seconds(nextTry, 60) }
    case 'transient':
      return { code: 'token_unavailable', retryAfter: seconds(nextTry, 30), ...detail }
  }
}

type OAuthError = Pick<TokenFailure, 'code' | 'remedy' | 'description'>

const statusFailure = (
  { status, retryAfter }: TokenResponse,
  oauth: OAuthError | undefined,
  wall: number,
): TokenFailure => {
  const reason = ['answered', status, oauth?.code].join(' ').trim()
  if (status === 400 || status === 401 || status === 403) {
    return oauth === undefined
      ? // Something else refused, before anybody looked at the credential.
        { kind: 'misconfigured', reason: `${reason} without an OAuth error`, status }
      : { kind: 'rejected', reason, status, ...oauth }
  }
  if (status === 429) {
    const wait = retryAfterMs(retryAfter, wall)
    return { kind: 'rate_limited', reason, status, ...(wait !== undefined && { retryAfter: wait }) }
  }
  return { kind: status === 408 || status >= 500 ? 'transient' : 'misconfigured', reason, status }
}

const parseGranted = (body: string, contentType: string): ParsedTokenResponse => {
  const fields = parseFields(body)
  if (fields === undefined) {
    const html = /html/i.test(contentType) || /^\s*</.test(body)
    return html
      ? failure('misconfigured', 'answered 200 with a web page', { status: 200 })
      : failure('transient', 'answered 200 without a JSON object', { status: 200 })
  }
  const token = fields['access_token']
  if (typeof token !== 'string' || token === '') {
    return failure('transient', 'answered 200 without an access_token', { status: 200 })
  }
  // RFC 6750 §2.1 allows fewer characters; what matters is that none can break a header.
  if (!/^[\x21-\x7e]+$/.test(token)) {
    return failure('transient', 'sent a token with characters no header may carry', { status: 200 })
  }
  const type = fields['token_type']
  if (type !== undefined && !(typeof type === 'string' && /^bearer$/i.test(type))) {
    return failure('misconfigured', 'sent a token that is not a bearer token', { status: 200 })
  }
  return { ok: true, value: token, lifetime: lifetimeOf(fields, token) }
}

type Fields = Readonly<Record<string, unknown>>

const parseFields = (body: string): Fields | undefined => {
  try {
    const value: unknown = JSON.parse(body)
    return typeof value === 'object' && value !== null ? (value as Fields) : undefined
  } catch {
    return undefined
  }
}

const failure = (
  kind: TokenFailure['kind'],
  reason: string,
  extra: Pick<TokenFailure, 'status'> = {},
): ParsedTokenResponse => ({ ok: false, failure: { kind, reason, ...extra } })

const lifetimeOf = (fields: Fields, token: string): number => {
  const granted = fields['expires_in']
  const numeric = typeof granted === 'number' || typeof granted === 'string' ? Number(granted) : 0
  const seconds = [numeric, jwtLifetime(token)].find((candidate) => candidate > 0)
  return seconds === undefined ? DEFAULT_LIFETIME_MS : Math.min(seconds * 1000, MAX_LIFETIME_MS)
}

/** `exp − iat` of a JWT, in seconds; the signature is the API's business. */
const jwtLifetime = (token: string): number => {
  const payload = token.split('.')[1]
  const claims = payload && parseFields(Buffer.from(payload, 'base64url').toString())
  return claims ? Number(claims['exp']) - Number(claims['iat']) : Number.NaN
}

const DEFAULT_LIFETIME_MS = 300_000

/** Longer grants are treated as this long: harmless, and no timer overflows. */
const MAX_LIFETIME_MS = 24 * 3_600_000

const UNKNOWN_CLIENT = 'the key may have been deleted or replaced: create a new one and bind it'

/** By the OAuth error, where there is more to say than the kind does. */
const REMEDIES: ReadonlyMap<string, string> = new Map([
  ['invalid_client', UNKNOWN_CLIENT],
  // What UAA says instead.
  ['unauthorized', UNKNOWN_CLIENT],
  [
    'unauthorized_client',
    'the client is known, but may not use the grant client_credentials: look at the plan and the parameters of the service instance',
  ],
  [
    'invalid_scope',
    'the client may not have the scope: correct SKP_TOKEN_SCOPE or leave it out; the key need not be replaced',
  ],
  [
    'unsupported_grant_type',
    'the server does not know the grant client_credentials at this URL: compare the token URL with the key, and look at SKP_TOKEN_URL if it is set',
  ],
  [
    'invalid_grant',
    'the server does not accept what is sent with the grant: look at SKP_TOKEN_PARAMS if it is set, and whether the key belongs to this server',
  ],
])

/** RFC 6749 §5.2. Only what looks like a code is one: other servers call a phrase `error`. */
const oauthError = (body = ''): OAuthError | undefined => {
  const { error, error_description: text } = parseFields(body) ?? {}
  if (typeof error !== 'string' || !/^[a-z][a-z_]{0,39}$/.test(error)) return undefined
  // Never shortened: half a secret would not be recognised as one.
  const plain = typeof text === 'string' && /^[\t\n\r\x20-\x7e]{1,500}$/.test(text)
  const remedy = REMEDIES.get(error)
  return {
    code: error,
    ...(remedy !== undefined && { remedy }),
    ...(plain && { description: text.replaceAll(/\s+/g, ' ').trim() }),
  }
}

/** Seconds or an HTTP date (RFC 9110 §10.2.3) → ms from now, at most a minute. */
const retryAfterMs = (value: string | undefined, wall: number): number | undefined => {
  if (value === undefined) return undefined
  const date = value.endsWith('GMT') ? Date.parse(value) : Number.NaN
  const ms = /^\d+$/.test(value) ? Number(value) * 1000 : date - wall
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(ms, 0), MAX_RETRY_AFTER_MS)
}

const MAX_RETRY_AFTER_MS = 60_000

const seconds = (ms: number, max: number): number =>
  Math.min(Math.max(Math.ceil(ms / 1000), 1), max)
