/**
 * Header fields of the caller → fields for the API, in one pass over the raw array. Pure.
 * What the caller must not decide is dropped. The token is added when the request is sent, so that no
 * `Connection` option of the caller can remove it again.
 */
import { CALLER_TOKEN_FIELD } from '../policy/caller-guard.ts'
import { withoutJsonCharset } from './json-charset.ts'
import { isHopByHop, nominatedNames } from './hop-by-hop.ts'

const REPLACED: ReadonlySet<string> = new Set([
  'authorization',
  'x-correlation-id',
  'x-correlationid',
  'traceparent',
  // undici names the host of the base URL; Node has answered `Expect` before the request gets here.
  'host',
  'expect',
  // Where the caller sits is nobody's business behind the proxy.
  'forwarded',
  'x-real-ip',
  CALLER_TOKEN_FIELD,
])

/** `x-cf-*` would steer the router in front of the API, which is a Cloud Foundry app itself. */
const isReplaced = (name: string): boolean =>
  REPLACED.has(name) || name.startsWith('x-cf-') || name.startsWith('x-forwarded-')

const isDropped = (name: string, nominated: ReadonlySet<string>): boolean => {
  if (isReplaced(name) || isHopByHop(name, nominated)) return true
  if (!name.includes('_')) return false
  // For servers behind CGI rules `X_Forwarded_For` and `X-Forwarded-For` are one and the same.
  const meant = name.replaceAll('_', '-')
  return meant === 'content-length' || isReplaced(meant) || isHopByHop(meant, nominated)
}

/** Their values have no illegal bytes. */
export interface AddedHeaders {
  readonly correlationId: string
  /** Value of `traceparent`. */
  readonly traceparent: string
  /** Whether the caller's `tracestate` belongs to that trace. */
  readonly keepTracestate: boolean
  /** Used when the caller sends none. */
  readonly userAgent: string
  /** SKP_STRIP_JSON_CHARSET */
  readonly stripJsonCharset: boolean
}

/** Alternating names and values, to be sent. */
export interface RequestHeaders {
  readonly callers: readonly string[]
  /** Of the proxy itself; they have no illegal bytes. */
  readonly own: readonly string[]
}

/** @param raw alternating names and values, as received */
export const requestHeaders = (raw: readonly string[], added: AddedHeaders): RequestHeaders => {
  const nominated = nominatedNames(raw)
  const callers: string[] = []
  let hasUserAgent = false
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i] as string
    const lower = name.toLowerCase()
    if (isDropped(lower, nominated)) continue
    if (lower === 'tracestate' && !added.keepTracestate) continue
    if (lower === 'user-agent') hasUserAgent = true
    const value = raw[i + 1] as string
    const isStripped = added.stripJsonCharset && lower === 'content-type'
    callers.push(name, isStripped ? withoutJsonCharset(value) : value)
  }
  const { correlationId, traceparent, userAgent } = added
  const own = ['x-correlation-id', correlationId, 'x-correlationid', correlationId]
  own.push('traceparent', traceparent)
  if (!hasUserAgent) own.push('user-agent', userAgent)
  return { callers, own }
}
