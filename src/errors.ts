/**
 * Every failure the proxy itself answers with: one table from code to status, origin and text.
 * The texts are public: they name settings, never hosts, tokens, secrets or stack traces.
 */

export type ErrorCode = keyof typeof ERRORS

/** Which rule refused a request. */
export type DenialReason = 'host' | 'origin' | 'caller_token' | 'method' | 'path' | 'batch'

/** A failure on its way to the caller. */
export interface Failure {
  readonly code: ErrorCode
  /** Public addition to the text, such as the setting that set the limit. */
  readonly detail?: string
  /** Seconds until another try is worthwhile. */
  readonly retryAfter?: number
  /** Instead of that of the code. */
  readonly status?: number
  /** For `Allow`, which every 405 has. */
  readonly allow?: readonly string[]
  /** Only where a rule of the operator or a guard refused. */
  readonly denied?: DenialReason
}

const ERRORS = {
  token_unavailable: {
    status: 503,
    origin: 'token-server',
    message: 'The token server gives no access token at the moment.',
    retryAfter: 1,
  },
  token_rate_limited: {
    status: 503,
    origin: 'token-server',
    message: 'The token server limits the rate of token requests.',
    retryAfter: 1,
  },
  credential_rejected: {
    status: 502,
    origin: 'token-server',
    message: 'The token server rejects the credential of the service key.',
  },
  token_endpoint_invalid: {
    status: 502,
    origin: 'token-server',
    message: 'The token URL of the service key does not lead to a token endpoint.',
  },
  upstream_rejected_token: {
    status: 502,
    origin: 'service-key-proxy',
    message: 'The API rejects the access token, and a new one does not help.',
  },
  token_refreshed_retry: {
    status: 503,
    origin: 'service-key-proxy',
    message: 'The API rejected the access token, which is being renewed; send the request again.',
    retryAfter: 1,
  },
  upstream_connect: {
    status: 502,
    origin: 'service-key-proxy',
    message: 'No connection to the API.',
  },
  upstream_dns: {
    status: 502,
    origin: 'service-key-proxy',
    message: 'The host name of the API cannot be resolved.',
  },
  upstream_tls: {
    status: 502,
    origin: 'service-key-proxy',
    message: 'The TLS certificate of the API is not trusted or the handshake failed.',
  },
  upstream_reset: {
    status: 502,
    origin: 'service-key-proxy',
    message: 'The connection to the API broke before a complete answer arrived.',
  },
  upstream_timeout: {
    status: 504,
    origin: 'service-key-proxy',
    message: 'The API did not answer in time.',
  },
  upstream_loop: {
    status: 502,
    origin: 'service-key-proxy',
    message: 'The base URL of the service key leads back to this proxy.',
  },
  overloaded: {
    status: 503,
    origin: 'service-key-proxy',
    message: 'Too many requests at once.',
    retryAfter: 1,
  },
  body_too_large: {
    status: 413,
    origin: 'service-key-proxy',
    message: 'The body of the request is larger than the proxy lets through.',
  },
  caller_timeout: {
    status: 408,
    origin: 'service-key-proxy',
    message: 'The rest of the request did not arrive in time.',
  },
  not_allowed: {
    status: 403,
    origin: 'service-key-proxy',
    message: 'This request is not allowed.',
  },
  not_found: {
    status: 404,
    origin: 'service-key-proxy',
    message: 'Nothing is served under this path; /-/live and /-/ready answer probes.',
  },
  bad_request: {
    status: 400,
    origin: 'service-key-proxy',
    message: 'The request is malformed.',
  },
  stopping: {
    status: 503,
    origin: 'service-key-proxy',
    message: 'The proxy is stopping.',
    retryAfter: 1,
  },
  internal: {
    status: 502,
    origin: 'service-key-proxy',
    message: 'The proxy failed; its log has the reason under this request id.',
  },
} as const satisfies Record<string, ErrorEntry>

export const ERROR_CODES = Object.keys(ERRORS) as readonly ErrorCode[]

interface ErrorEntry {
  /** HTTP status sent to the caller. */
  readonly status: number
  /** Value of `x-error-origin`: whose failure it is. */
  readonly origin: 'service-key-proxy' | 'token-server'
  readonly message: string
  /** Seconds for `Retry-After` where the failure names no better value. */
  readonly retryAfter?: number
}

export const errorEntry = (code: ErrorCode): ErrorEntry => ERRORS[code]

/**
 * Who made a response.
 *
 * @param status of its head; `undefined`: none was sent
 */
export const originOf = (
  failure: ErrorCode | undefined,
  status: number | undefined,
): ErrorEntry['origin'] | 'caller' | 'api' => {
  if (failure !== undefined) return errorEntry(failure).origin
  return status === undefined ? 'caller' : 'api'
}

/** The `code` of an error of Node or a library, such as ECONNREFUSED: safe to log, unlike its text. */
export const systemCode = (error: unknown): string =>
  error instanceof Error && 'code' in error && typeof error.code === 'string'
    ? error.code
    : 'unknown'
