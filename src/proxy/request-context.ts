/** What is noted about one request on its way, for log, metrics and trace. */
import { randomUUID } from 'node:crypto'
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import type { DenialReason, ErrorCode } from '../errors.ts'
import type { OpenTrace, RequestTrace } from '../tracing/trace-context.ts'
import type { Route } from './route.ts'
import type { ServerTiming } from './server-timing.ts'

/**
 * The two ids of a request: its own, and the one that correlates it with others across services.
 * Precedence of the correlation fields as in SAP CAP.
 */
export interface RequestIds {
  readonly requestId: string
  readonly correlationId: string
}

export interface RequestContext {
  readonly ids: RequestIds
  /** Monotonic ms at which the request head was complete. */
  readonly startedAt: number
  /** Where the request goes, once it is let in. */
  route?: Route | undefined
  /** Path and query on the API, once the request target is accepted; empty before. */
  path: string
  /** It is a `$batch` whose parts have to be judged before it is sent. */
  isGuardedBatch?: boolean | undefined
  /** SKP_EXPLAIN; `undefined`: the caller is not told. */
  readonly timing?: ServerTiming | undefined
  /** The trace it is a part of. */
  readonly trace: RequestTrace
  /**
   * Was a token at hand, was it waited for, was the request sent again with a new one, or was the
   * token renewed and the caller asked to repeat the request; unset without a token.
   */
  token?: 'cached' | 'waited' | 'replayed' | 'refreshed' | undefined
  /** Monotonic ms at which the request, token and all, was handed to the connections of the API. */
  sentAt?: number | undefined
  /** Monotonic ms at which the head of the response was there, the last one if there were several. */
  respondedAt?: number | undefined
  /** Links that were replaced in the body of the answer; unset where none were looked for. */
  links?: number | undefined
  /** Bytes of the body that went to the caller. */
  responseBytes: number
  /** Code of an answer that the proxy made itself. */
  failure?: ErrorCode | undefined
  /** Which rule refused the request. */
  denied?: DenialReason | undefined
}

/** A request and the response that its caller waits for. */
export interface Call {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly context: RequestContext
}

/** With a place for everything, so that an object does not grow on the way. */
export const openRequestContext = (
  request: IncomingMessage,
  startedAt: number,
  openTrace: OpenTrace,
  timing?: ServerTiming,
): RequestContext => ({
  ids: requestIds(request.headers),
  startedAt,
  timing,
  route: undefined,
  path: '',
  isGuardedBatch: undefined,
  trace: openTrace(request.method as string, request.headers['traceparent'], request.url as string),
  token: undefined,
  sentAt: undefined,
  respondedAt: undefined,
  links: undefined,
  responseBytes: 0,
  failure: undefined,
  denied: undefined,
})

export const requestIds = (headers: IncomingHttpHeaders): RequestIds => {
  const given = acceptable(headers['x-request-id']) ?? acceptable(headers['x-vcap-request-id'])
  const requestId = given ?? randomUUID()
  const correlationId =
    acceptable(headers['x-correlation-id']) ?? acceptable(headers['x-correlationid']) ?? requestId
  return { requestId, correlationId }
}

/** Ids of callers end up in logs and headers; anything odd is replaced instead of repeated. */
const acceptable = (value: string | string[] | undefined): string | undefined =>
  typeof value === 'string' && /^[\w.:;=+/@-]{1,128}$/.test(value) ? value : undefined
