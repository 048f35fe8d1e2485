/** What callers and the API of a soak write down about one request. Types and small sums. */

export type Action =
  'read' | 'write' | 'batch' | 'upload' | 'download' | 'slow reader' | 'departure'

/** One request as its caller saw it. Times are monotonic ms. */
export interface Call {
  readonly id: string
  readonly action: Action
  readonly method: string
  readonly startedAt: number
  readonly endedAt: number
  /** `undefined`: no complete answer. */
  readonly status?: number | undefined
  /** `x-error-code`: the proxy made the answer itself. */
  readonly code?: string | undefined
  /** Why there is no complete answer. */
  readonly problem?: string | undefined
  /** What is wrong with the content of an answer. */
  readonly fault?: string | undefined
}

/** One request as the API saw it, whole. */
export interface Arrival {
  readonly id: string
  readonly token: 'good' | 'revoked' | 'expired' | 'malformed'
  /** A write that took effect. */
  readonly applied: boolean
  /** The connection was reset instead of an answer. */
  readonly wasReset: boolean
}

const READING = new Set(['GET', 'HEAD', 'OPTIONS'])

export const isWriting = ({ method }: Pick<Call, 'method'>): boolean => !READING.has(method)

/** In one word: a code of the proxy's, `api 500`, `incomplete`; `undefined`: all is well. */
export const outcomeOf = ({ status, code, action }: Call): string | undefined => {
  if (action === 'departure') return undefined
  if (status === undefined) return 'incomplete'
  return code ?? (status >= 300 ? `api ${status}` : undefined)
}
