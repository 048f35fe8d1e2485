/** One line per request, when its connection is done with it: answered or given up. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Logger } from 'pino'
import type { Journal } from '../proxy/journal.ts'

export interface AccessLogOptions {
  readonly log: Logger
  /** SKP_LOG_QUERY */
  readonly query: boolean
  /** SKP_LOG_CALLER */
  readonly caller: boolean
}

export interface AccessLog {
  /** The request has just arrived. */
  readonly opened: (request: IncomingMessage) => void
  /** @param endedAt monotonic ms */
  readonly done: (
    request: IncomingMessage,
    response: ServerResponse,
    journal: Journal,
    endedAt: number,
  ) => void
}

const PROBE_PATH = '/-/'
/** What SAP's logging libraries write in place of a value. */
const REDACTED = 'redacted'

const withoutQuery = (target: string): string => {
  const end = target.indexOf('?')
  return end === -1 ? target : target.slice(0, end)
}

const levelOf = (target: string, journal: Journal): 'debug' | 'info' | 'warn' => {
  if (target.startsWith(PROBE_PATH)) return 'debug'
  return journal.failure === undefined ? 'info' : 'warn'
}

const sizeOf = ({ headers }: IncomingMessage): number | undefined =>
  headers['content-length'] === undefined ? undefined : Number(headers['content-length'])

/** Where the caller sits: personal data, unless it is asked for. */
const callerFields = ({ socket, headers }: IncomingMessage, shown: boolean) => {
  const forwardedFor = headers['x-forwarded-for']
  return {
    remote_ip: shown ? socket.remoteAddress : REDACTED,
    x_forwarded_for: shown || forwardedFor === undefined ? forwardedFor : REDACTED,
  }
}

export const accessLog = ({ log, query, caller }: AccessLogOptions): AccessLog => ({
  opened(request) {
    // Node remembers the address if it was asked once, even when the connection is gone.
    if (caller) void request.socket.remoteAddress
  },
  done(request, response, journal, endedAt) {
    const target = request.url ?? ''
    const level = levelOf(target, journal)
    if (!log.isLevelEnabled(level)) return
    // Other forms than a path may hold passwords.
    const path = target.startsWith('/') ? withoutQuery(target) : '(no path)'
    log[level](
      {
        type: 'request',
        direction: 'IN',
        request_id: journal.ids.requestId,
        correlation_id: journal.ids.correlationId,
        trace_id: journal.trace.traceId,
        span_id: journal.trace.spanId,
        method: request.method,
        // OData filters carry personal data.
        request: query && target.startsWith('/') ? target : path,
        request_size_b: sizeOf(request),
        response_status: response.headersSent ? response.statusCode : undefined,
        response_time_ms: Math.round((endedAt - journal.startedAt) * 10) / 10,
        response_size_b: journal.responseBytes,
        token: journal.token,
        error_code: journal.failure,
        denied: journal.denied,
        ...callerFields(request, caller),
      },
      `${request.method} ${path} ${response.writableFinished ? response.statusCode : 'not finished'}`,
    )
  },
})
