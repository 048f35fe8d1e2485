/** Error of the transport towards the API → the failure the caller is told. Pure. */
import { errors } from 'undici'
import { systemCode, type Failure } from '../errors.ts'
import { OutboundProxyError } from '../outbound/tunnel.ts'

/** Limits in force, in ms. */
export interface TimeLimits {
  /** SKP_QUEUE_TIMEOUT */
  readonly queueTimeout: number
  /** SKP_CONNECT_TIMEOUT */
  readonly connectTimeout: number
  /** SKP_RESPONSE_TIMEOUT */
  readonly responseTimeout: number
  /** SKP_IDLE_TIMEOUT */
  readonly idleTimeout: number
}

/** A connection that was open and broke; the only transport error worth a second try. */
export const isConnectionLoss = (error: unknown): boolean => RESET.has(systemCode(error))

/** Of this process, or of the machine. */
const isOutOfDescriptors = (code: string): boolean => code === 'EMFILE' || code === 'ENFILE'

export const upstreamFailure = (error: unknown, limits: TimeLimits): Failure => {
  if (error instanceof OutboundProxyError)
    return { code: 'upstream_connect', detail: error.message }
  const code = systemCode(error)
  if (DNS.has(code)) return { code: 'upstream_dns' }
  if (CONNECT.has(code)) return { code: 'upstream_connect' }
  if (TLS.test(code)) return { code: 'upstream_tls' }
  switch (code) {
    case 'UND_ERR_CONNECT_TIMEOUT':
      return timedOut('No connection', 'SKP_CONNECT_TIMEOUT', limits.connectTimeout)
    case 'UND_ERR_HEADERS_TIMEOUT':
      return timedOut('No answer', 'SKP_RESPONSE_TIMEOUT', limits.responseTimeout)
    case 'UND_ERR_BODY_TIMEOUT':
      return timedOut('No further data', 'SKP_IDLE_TIMEOUT', limits.idleTimeout)
    case 'ERR_TRANSFER_CODING':
      return { code: 'upstream_reset', detail: 'It has a transfer coding that was not asked for.' }
    default:
      return shortage(code, limits) ?? { code: 'upstream_reset', ...brokenHttp(error) }
  }
}

/** What ended by a limit of the proxy itself. */
const shortage = (code: string, limits: TimeLimits): Failure | undefined => {
  if (code === 'ERR_BODY_TOO_LARGE') return { code: 'body_too_large' }
  if (isOutOfDescriptors(code)) return { code: 'overloaded', detail: 'No file descriptor is left.' }
  if (code !== 'ERR_QUEUE_TIMEOUT') return undefined
  const setting = `SKP_QUEUE_TIMEOUT=${limits.queueTimeout}ms`
  return { code: 'overloaded', detail: `No connection to the API was free within ${setting}.` }
}

/** For the log: what broke, but nothing of what the API sent. */
export const describeError = (error: unknown): { code: string; reason?: string } => {
  const code = systemCode(error)
  if (error instanceof OutboundProxyError) return { code, reason: error.message }
  if (isOutOfDescriptors(code)) {
    return {
      code,
      reason: 'no file descriptor is left for a connection: raise the limit (ulimit -n)',
    }
  }
  const reason = parserReason(error)
  return reason === undefined ? { code } : { code: 'HPE', reason }
}

const RESET = new Set(['ECONNRESET', 'EPIPE', 'ECONNABORTED', 'UND_ERR_SOCKET'])

const DNS = new Set(['ENOTFOUND', 'EAI_AGAIN', 'EAI_FAIL', 'EAI_NODATA', 'EAI_NONAME'])

const CONNECT = new Set([
  'ECONNREFUSED',
  'EHOSTUNREACH',
  'EHOSTDOWN',
  'ENETUNREACH',
  'ENETDOWN',
  'EADDRNOTAVAIL',
  'EACCES',
  'ETIMEDOUT',
])

/** OpenSSL's verification results (`CERT_HAS_EXPIRED`, `UNABLE_TO_…`) and Node's own TLS codes. */
const TLS =
  /^(?:ERR_TLS_|ERR_SSL_|CERT_|CRL_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|HOSTNAME_|INVALID_CA|INVALID_PURPOSE|PATH_LENGTH_|EPROTO$)/

const timedOut = (what: string, setting: string, ms: number): Failure => ({
  code: 'upstream_timeout',
  detail: `${what} within ${setting}=${ms}ms.`,
})

const brokenHttp = (error: unknown): Partial<Failure> => {
  const reason = parserReason(error)
  return reason === undefined ? {} : { detail: `It is no whole HTTP response: ${reason}.` }
}

/** In the words of llhttp, which are constants; its code (HPE_*) does not get through undici. */
const parserReason = (error: unknown): string | undefined =>
  error instanceof errors.HTTPParserError
    ? (/\((.*)\)$/.exec(error.message)?.[1] ?? 'without a reason')
    : undefined
