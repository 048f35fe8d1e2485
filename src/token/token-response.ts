/**
 * Response of the token endpoint → token value and lifetime, or why there is none. Pure.
 * RFC 6749 §5.1 and §5.2; what it refuses must never become a header towards the API.
 */
import type { Failure } from '../errors.ts'

export interface TokenResponse {
  readonly status: number
  readonly contentType: string
  readonly retryAfter: string | undefined
  readonly body: string
}

type ParsedTokenResponse =
  | { readonly ok: true; readonly value: string; /** in ms */ readonly lifetime: number }
  | { readonly ok: false; readonly failure: TokenFailure }

/** @param wall wall clock in ms, to read a `Retry-After` date */
export const parseTokenResponse = (response: TokenResponse, wall: number): ParsedTokenResponse => {
  const { status, body } = response
  if (status === 200) return parseGranted(response)
  const reason = `answered ${status}${errorCode(body)}`
  if (status === 400 || status === 401 || status === 403) {
    return failure('rejected', reason, { status })
  }
  if (status === 429) {
    const retryAfter = retryAfterMs(response.retryAfter, wall)
    return failure('rate_limited', reason, {
      status,
      ...(retryAfter === undefined ? {} : { retryAfter }),
    })
  }
  const transient = status === 408 || status >= 500
  return failure(transient ? 'transient' : 'misconfigured', reason, { status })
}

/** Why there is no token. */
export interface TokenFailure {
  readonly kind:
    | 'rejected' // the credential is wrong; trying again cannot help
    | 'misconfigured' // the URL is not that of a token endpoint
    | 'rate_limited'
    | 'transient'
  /** For the operator's log. Holds statuses and error codes, never a piece of the answer. */
  readonly reason: string
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

const parseGranted = ({ body, contentType }: TokenResponse): ParsedTokenResponse => {
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
  extra: Pick<TokenFailure, 'status' | 'retryAfter'> = {},
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

/** The `error` code (RFC 6749 §5.2), only if it looks like one: bodies are not logged. */
const errorCode = (body: string): string => {
  const code = parseFields(body)?.['error']
  return typeof code === 'string' && /^[a-z_]{1,40}$/.test(code) ? ` ${code}` : ''
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
