/**
 * Header fields on their way: the caller's become the API's, the API's become the caller's, each in one
 * pass over the raw list. What belongs to one connection goes no further (RFC 9110 §7.6.1), and what a
 * caller must not decide is dropped. Pure. The token is added when the request is sent, so that no
 * `Connection` option of the caller can remove it again.
 */
import { CALLER_TOKEN_FIELD } from '../policy/caller-guard.ts'
import type { RequestIds } from './request-context.ts'

/** The processes of this program that a request has come through, each by a random word that it made up. */
export const HOPS_FIELD = 'x-service-key-proxy'

/** @returns value of that field for the next hop; what is no list of such words is dropped */
export const hopsWith = (received: unknown, word: string): string =>
  typeof received === 'string' && HOPS.test(received) ? `${received}, ${word}` : word

/** Few, so that no list grows for ever. */
const HOPS = /^[\w-]{16}(?:, ?[\w-]{16}){0,14}$/

/** Their values have no illegal bytes. */
export interface AddedHeaders {
  /** Value of HOPS_FIELD. */
  readonly hops: string
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
  const { correlationId, traceparent, userAgent, hops } = added
  const own = ['x-correlation-id', correlationId, 'x-correlationid', correlationId]
  own.push('traceparent', traceparent, HOPS_FIELD, hops)
  if (!hasUserAgent) own.push('user-agent', userAgent)
  return { callers, own }
}

/**
 * @param raw alternating names and values, as received
 * @returns alternating names and values; the ids are added where the API did not answer with them
 * @throws TransferCodingError if the body cannot be read (RFC 9112 §6.1); undici then gives up
 */
export const responseHeaders = (raw: readonly Buffer[], ids: RequestIds): string[] => {
  const received = decodeHead(raw)
  const nominated = nominatedNames(received)
  const headers: string[] = []
  let hasRequestId = false
  let hasCorrelationId = false
  for (let i = 0; i < received.length; i += 2) {
    const name = received[i] as string
    const value = received[i + 1] as string
    const lower = name.toLowerCase()
    if (isHopByHop(lower, nominated)) {
      if (lower === 'transfer-encoding' && !isReadable(value)) throw new TransferCodingError()
      continue
    }
    if (lower === 'x-request-id') hasRequestId = true
    else if (lower === 'x-correlation-id') hasCorrelationId = true
    headers.push(name, value)
  }
  if (!hasRequestId) headers.push('x-request-id', ids.requestId)
  if (!hasCorrelationId) headers.push('x-correlation-id', ids.correlationId)
  return headers
}

/**
 * @param raw alternating names and values
 * @returns the names, in lower case, that the `Connection` fields nominate
 */
export const nominatedNames = (raw: readonly string[]): ReadonlySet<string> => {
  let names: Set<string> | undefined
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i] as string
    const value = raw[i + 1] as string
    if (name.length !== 10 || name.toLowerCase() !== 'connection' || OPTIONS.has(value)) continue
    names ??= new Set()
    for (const option of value.toLowerCase().split(',')) names.add(option.trim())
  }
  for (const option of OPTIONS) names?.delete(option)
  return names ?? NONE
}

/** What nearly every message says, and what nominates nothing. */
const OPTIONS: ReadonlySet<string> = new Set(['keep-alive', 'close'])

const NONE: ReadonlySet<string> = new Set()

/** @param name in lower case */
export const isHopByHop = (name: string, nominated: ReadonlySet<string>): boolean =>
  HOP_BY_HOP.has(name) || nominated.has(name)

const HOP_BY_HOP: ReadonlySet<string> = new Set([
  'connection',
  'http2-settings',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/** @param name in lower case */
const isDropped = (name: string, nominated: ReadonlySet<string>): boolean => {
  if (isReplaced(name) || isHopByHop(name, nominated)) return true
  if (!name.includes('_')) return false
  // For servers behind CGI rules `X_Forwarded_For` and `X-Forwarded-For` are one and the same.
  const meant = name.replaceAll('_', '-')
  return meant === 'content-length' || isReplaced(meant) || isHopByHop(meant, nominated)
}

/** `x-cf-*` would steer the router in front of the API, which is a Cloud Foundry app itself. */
const isReplaced = (name: string): boolean =>
  REPLACED.has(name) || name.startsWith('x-cf-') || name.startsWith('x-forwarded-')

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
  HOPS_FIELD,
])

/**
 * `application/json; charset=utf-8` means nothing but `application/json` (RFC 8259 §11), yet the API
 * refuses it. Every other type, parameter and charset stays byte for byte: a charset that is not UTF-8
 * is no noise, and the API is right to refuse it.
 *
 * @param value of a `Content-Type` field
 */
const withoutJsonCharset = (value: string): string => {
  if (!JSON_WITH_PARAMETERS.test(value)) return value
  const stripped = value.replace(PARAMETER, (parameter, name: string, text: string) =>
    /^charset$/i.test(name) && /^"?utf-?8"?$/i.test(text) ? '' : parameter,
  )
  return stripped === value ? value : stripped.trimEnd()
}

const JSON_WITH_PARAMETERS = /^application\/json[ \t]*;/i

const PARAMETER = /;[ \t]*([^\s;="]+)=("(?:[^"\\]|\\.)*"|[^\s;"]*)/g

/**
 * Bytes as they came: a header is latin1 by definition (RFC 9110 §5.5). A head that arrived at once is
 * decoded at once and cut, which costs less than a call into native code for each part.
 */
const decodeHead = (raw: readonly Buffer[]): string[] => {
  const [first] = raw
  const last = raw.at(-1)
  if (first === undefined || last === undefined) return []
  if (!areTogether(raw)) return raw.map((part) => part.toString('latin1'))
  const start = first.byteOffset
  const head = Buffer.from(first.buffer, start, last.byteOffset + last.length - start)
  const text = head.toString('latin1')
  return raw.map(({ byteOffset, length }) =>
    text.slice(byteOffset - start, byteOffset - start + length),
  )
}

/** Whether the parts lie one behind the other in one piece of memory, as those of one read do. */
const areTogether = (raw: readonly Buffer[]): boolean => {
  const memory = raw[0]?.buffer
  let end = 0
  for (const part of raw) {
    if (part.byteOffset < end || part.buffer !== memory) return false
    end = part.byteOffset + part.length
  }
  return true
}

/** `identity` is none (RFC 2616 §3.6). */
const isReadable = (coding: string): boolean => /^(?:chunked|identity)$/i.test(coding.trim())

/** The client library undoes `chunked` only, and the caller is not told of any other coding. */
class TransferCodingError extends Error {
  readonly code = 'ERR_TRANSFER_CODING'
}
