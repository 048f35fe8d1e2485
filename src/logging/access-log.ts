/** One line per request, when its connection is done with it: answered or given up. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Logger } from 'pino'
import { pathOf } from '../policy/request-target.ts'
import type { Journal } from '../proxy/journal.ts'
import { lineWriter } from './line-writer.ts'

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

const levelOf = (target: string, journal: Journal): 'debug' | 'info' | 'warn' => {
  if (target.startsWith(PROBE_PATH)) return 'debug'
  return journal.failure === undefined ? 'info' : 'warn'
}

const sizeOf = ({ headers }: IncomingMessage): number | undefined =>
  headers['content-length'] === undefined ? undefined : Number(headers['content-length'])

/** For ids, which were checked when they came, and for our own words. */
const word = (name: string, value: string | undefined): string =>
  value === undefined ? '' : `,"${name}":"${value}"`

const number = (name: string, value: number | undefined): string =>
  value === undefined ? '' : `,"${name}":${value}`

/** With one decimal; a number that is not whole is slow to print. */
const milliseconds = (duration: number): string => {
  const tenths = Math.round(duration * 10)
  return `${Math.trunc(tenths / 10)}.${tenths % 10}`
}

const text = (name: string, value: string | string[] | undefined): string =>
  value === undefined ? '' : `,"${name}":${JSON.stringify(value)}`

const identity = ({ ids, trace }: Journal): string =>
  word('request_id', ids.requestId) +
  word('correlation_id', ids.correlationId) +
  word('trace_id', trace.traceId) +
  word('span_id', trace.spanId)

const outcome = (response: ServerResponse, journal: Journal, endedAt: number): string =>
  number('response_status', response.headersSent ? response.statusCode : undefined) +
  `,"response_time_ms":${milliseconds(endedAt - journal.startedAt)}` +
  number('response_size_b', journal.responseBytes) +
  word('token', journal.token) +
  word('error_code', journal.failure) +
  word('denied', journal.denied)

/** Where the caller sits: personal data, unless it is asked for. */
const callerOf = ({ socket, headers }: IncomingMessage, shown: boolean): string => {
  const forwardedFor = headers['x-forwarded-for']
  return (
    text('remote_ip', shown ? socket.remoteAddress : REDACTED) +
    text('x_forwarded_for', shown || forwardedFor === undefined ? forwardedFor : REDACTED)
  )
}

export const accessLog = ({ log, query, caller }: AccessLogOptions): AccessLog => {
  const write = lineWriter(log)
  return {
    opened(request) {
      // Node remembers the address if it was asked once, even when the connection is gone.
      if (caller) void request.socket.remoteAddress
    },
    done(request, response, journal, endedAt) {
      const { url: target = '', method } = request
      const level = levelOf(target, journal)
      if (!log.isLevelEnabled(level)) return
      // Other forms than a path may hold passwords.
      const isPath = target.startsWith('/')
      const path = JSON.stringify(isPath ? pathOf(target) : '(no path)')
      const status = response.writableFinished ? response.statusCode : 'not finished'
      write(
        level,
        word('type', 'request') +
          word('direction', 'IN') +
          identity(journal) +
          word('method', method) +
          // OData filters carry personal data.
          `,"request":${query && isPath ? JSON.stringify(target) : path}` +
          number('request_size_b', sizeOf(request)) +
          outcome(response, journal, endedAt) +
          callerOf(request, caller) +
          `,"msg":"${method} ${path.slice(1, -1)} ${status}"`,
      )
    },
  }
}
