/**
 * What to do about a 401 of the API. Pure but for telling the token source, which decides whether
 * there will be another token.
 */
import type { IncomingMessage } from 'node:http'
import { effectiveMethods } from '../policy/method-override.ts'
import { fieldsOf } from './guarded-request.ts'
import { MAX_HELD_BYTES, type RequestBody } from './request-body.ts'

export interface UnauthorizedOptions {
  /** SKP_REPLAY_WRITES: requests whose body is held may be sent again whatever their method. */
  readonly replayWrites: boolean
  /** SKP_PASS_401: the caller gets the API's own 401 where another token does not help. */
  readonly passUnauthorized: boolean
}

export interface UnauthorizedRequest {
  readonly method: string
  readonly body: RequestBody
  /** Whether this is the second time already. */
  readonly replayed: boolean
}

/** `replay`: once more with a new token. `pass`: the answer goes to the caller. Else: an own answer. */
export type Verdict = 'replay' | 'pass' | 'token_refreshed_retry' | 'upstream_rejected_token'

/** Whether a request may be sent twice although nobody knows what became of the first time. */
export const isRepeatable = (method: string, body: RequestBody): boolean =>
  body === null && IDEMPOTENT.has(method)

/** Whether the whole body is at hand, and small enough to be sent again. */
export const isHeld = (body: RequestBody): boolean =>
  body === null || (Buffer.isBuffer(body) && body.length <= MAX_HELD_BYTES)

/**
 * @param rejectToken tells the token source; returns whether another token is there or on its way
 */
export const judgeUnauthorized = (
  request: UnauthorizedRequest,
  options: UnauthorizedOptions,
  rejectToken: () => boolean,
): Verdict => {
  const renewed = rejectToken()
  if (request.replayed || !renewed) {
    return options.passUnauthorized ? 'pass' : 'upstream_rejected_token'
  }
  return mayReplay(request, options.replayWrites) ? 'replay' : 'token_refreshed_retry'
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
const mayReplay = ({ method, body }: UnauthorizedRequest, replayWrites: boolean): boolean =>
  isRepeatable(method, body) || (isHeld(body) && (SAFE.has(method) || replayWrites))

/** No method may be repeated that a GET carries along in `X-HTTP-Method`, or the like. */
const TUNNELLED = 'tunnelled'
