/** Why there is no token: a closed set of kinds, and what each one means to the caller. Pure. */
import type { Failure } from '../errors.ts'

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

const seconds = (ms: number, max: number): number =>
  Math.min(Math.max(Math.ceil(ms / 1000), 1), max)

/**
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
