/** What a drill writes down, for the judge and the report. All times are monotonic ms. */

/** Codes of own answers that are acceptable. */
export interface Allowance {
  readonly all: readonly string[]
  /** Beside those, for requests that write. */
  readonly writes: readonly string[]
}

/** A stretch of the run with one behaviour of both servers. */
export interface Segment {
  readonly name: string
  readonly startedAt: number
  endedAt: number
  readonly allows: Allowance
}

/** One request as its caller saw it. */
export interface Call {
  readonly id: string
  readonly method: string
  readonly startedAt: number
  readonly endedAt: number
  /** `undefined`: no complete answer, and `problem` says why. */
  readonly status: number | undefined
  readonly problem?: string
  /** `x-error-code`: the proxy made the answer itself. */
  readonly code?: string | undefined
  readonly retryAfter?: string | undefined
  /** The id that the API answered with. */
  readonly echoed?: string | undefined
}

/** One request as the API saw it. */
export interface Arrival {
  readonly id: string
  readonly at: number
  readonly token: 'good' | 'revoked' | 'expired' | 'malformed'
  /** The token as presented, shortened where it is unknown. */
  readonly presented: string
  readonly isWrite: boolean
  /** A write that took effect. */
  readonly applied: boolean
  /** The connection was reset instead of an answer. */
  readonly wasReset: boolean
}

export interface Grant {
  readonly value: string
  /** When its request arrived: for the proxy the token is at least as old. */
  readonly askedAt: number
  readonly grantedAt: number
  /** ms */
  readonly lifetime: number
  revokedAt?: number
}

/** One request as the token server saw it. */
export interface TokenRequest {
  readonly at: number
  /** Infinity while it is unanswered. */
  endedAt: number
  outcome: 'granted' | 'rejected' | 'misconfigured' | 'limited' | 'transient'
  /** Until then the server does not want to be asked again. */
  notBefore?: number
  grant?: Grant
}

export interface RunRecord {
  readonly segments: readonly Segment[]
  readonly calls: readonly Call[]
  readonly arrivals: readonly Arrival[]
  readonly grants: readonly Grant[]
  readonly tokenRequests: readonly TokenRequest[]
  /** Times in which connections to the token server were refused: nobody saw those requests. */
  readonly outages: readonly { readonly from: number; readonly to: number }[]
  /** Names of segments before which the proxy got no token in time. */
  readonly stuck: readonly string[]
  /** All that the proxy wrote. */
  readonly log: string
  /** What must not be in it. */
  readonly secrets: readonly string[]
  /** Why the proxy did not live until it was told to stop, or did not stop well. */
  readonly death: string | undefined
}

/** `Map.groupBy`, which Node 20 does not have. */
export const groupBy = <K, T>(items: readonly T[], keyOf: (item: T) => K): Map<K, T[]> => {
  const groups = new Map<K, T[]>()
  for (const item of items) {
    const key = keyOf(item)
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [item])
    else group.push(item)
  }
  return groups
}

export const isWriting = (method: string): boolean => method === 'POST' || method === 'PATCH'
