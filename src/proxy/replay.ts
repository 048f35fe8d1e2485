/** What to do about a 401 of the API, once it is known whether there is another token. Pure. */
import type { IncomingMessage } from 'node:http'
import { effectiveMethods } from '../policy/method-override.ts'
import { fieldsOf } from './guarded-request.ts'
import { MAX_HELD_BYTES, type RequestBody } from './request-body.ts'

export interface UnauthorizedOptions {
  /**
   * SKP_REPLAY_WRITES: requests whose body is held may be sent again whatever their method; always,
   * or where the 401 says that the token was its reason.
   */
  readonly replayWrites: 'invalid-token' | 'on' | 'off'
  /** SKP_PASS_401: the caller gets the API's own 401 where another token does not help. */
  readonly passUnauthorized: boolean
}

export interface UnauthorizedRequest {
  readonly method: string
  readonly body: RequestBody
  /** Whether there is a token, or will be, that it has not tried. */
  readonly isCurable: boolean
  /** See blamesToken. */
  readonly isTokenBlamed: boolean
}

/** `replay`: once more with a new token. `pass`: the answer goes to the caller. Else: an own answer. */
export type Verdict = 'replay' | 'pass' | 'token_refreshed_retry' | 'upstream_rejected_token'

/** Whether a request may be sent twice although nobody knows what became of the first time. */
export const isRepeatable = (method: string, body: RequestBody): boolean =>
  body === null && IDEMPOTENT.has(method)

/** Whether the whole body is at hand, and small enough to be sent again. */
export const isHeld = (body: RequestBody): boolean =>
  body === null || (Buffer.isBuffer(body) && body.length <= MAX_HELD_BYTES)

export const judgeUnauthorized = (
  request: UnauthorizedRequest,
  options: UnauthorizedOptions,
): Verdict => {
  if (!request.isCurable) return options.passUnauthorized ? 'pass' : 'upstream_rejected_token'
  return mayReplay(request, options) ? 'replay' : 'token_refreshed_retry'
}

/**
 * Whether a 401 names the token as its reason: `Bearer … error="invalid_token"` (RFC 6750 §3.1). The
 * request was not acted on then.
 *
 * @param raw alternating names and values, as received
 */
export const blamesToken = (raw: readonly Buffer[]): boolean => {
  for (let i = 0; i < raw.length; i += 2) {
    const name = String(raw[i]).toLowerCase()
    if (name === 'www-authenticate' && isInvalidToken(String(raw[i + 1]))) return true
  }
  return false
}

/** A scheme, or a parameter of the scheme before it (RFC 9110 §11.6.1). */
const CHALLENGE_PART = /([\w!#$%&'*+.^`|~-]+)(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+)))?/g

const isInvalidToken = (challenges: string): boolean => {
  let scheme = ''
  for (const [, name = '', quoted, plain] of challenges.matchAll(CHALLENGE_PART)) {
    const value = quoted ?? plain
    if (value === undefined) scheme = name.toLowerCase()
    else if (scheme === 'bearer' && name.toLowerCase() === 'error' && value === 'invalid_token') {
      return true
    }
  }
  return false
}

/** What a request asks for, where the question is whether it may be sent twice. */
export const repeatableMethod = (request: IncomingMessage): string => {
  const { method = '', url = '' } = request
  const query = url.includes('?') ? url.slice(url.indexOf('?') + 1) : ''
  const methods = effectiveMethods({ method, headers: fieldsOf(request), query })
  return Array.isArray(methods) && methods.length === 1 ? method : TUNNELLED
}

/** RFC 9110 §9.2.1 and §9.2.2, without those that no OData client sends with effect. */
const SAFE: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS'])

const IDEMPOTENT: ReadonlySet<string> = new Set([...SAFE, 'PUT', 'DELETE'])

/** A 401 says that nothing was done, so more may be repeated here than after a lost connection. */
const mayReplay = (
  { method, body, isTokenBlamed }: UnauthorizedRequest,
  { replayWrites }: UnauthorizedOptions,
): boolean =>
  isRepeatable(method, body) ||
  (isHeld(body) &&
    (SAFE.has(method) ||
      replayWrites === 'on' ||
      (replayWrites === 'invalid-token' && isTokenBlamed)))

/** No method may be repeated that a GET carries along in `X-HTTP-Method`, or the like. */
const TUNNELLED = 'tunnelled'
