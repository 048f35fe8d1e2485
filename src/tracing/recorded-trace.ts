/**
 * Spans of one request: that of the server, and that of the exchange with the API. Queries are left
 * out: OData filters carry personal data.
 */
import {
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
  TraceFlags,
  type Context,
  type Span,
  type Tracer,
} from '@opentelemetry/api'
import { pathOf } from '../policy/request-target.ts'
import {
  formatTraceparent,
  parseTraceparent,
  type RequestTrace,
  type TraceResult,
} from './trace-context.ts'

const NOT_SAMPLED: number = TraceFlags.NONE

const contextOf = (traceparent: unknown): Context => {
  const parent = parseTraceparent(traceparent)
  if (parent === undefined) return ROOT_CONTEXT
  const { traceId, spanId, sampled } = parent
  const traceFlags = sampled ? TraceFlags.SAMPLED : TraceFlags.NONE
  return trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId, traceFlags, isRemote: true })
}

/** An answer is an error of the server from 500 on, of the client from 400 on, by convention. */
const finish = (span: Span, { status, failure }: TraceResult, errorsFrom: number): void => {
  if (status !== undefined) span.setAttribute('http.response.status_code', status)
  const isError = status === undefined || status >= errorsFrom
  if (failure !== undefined || isError) {
    span.setAttribute('error.type', failure ?? String(status ?? 'caller_gone'))
  }
  if (isError) span.setStatus({ code: SpanStatusCode.ERROR })
  span.end()
}

export class RecordedTrace implements RequestTrace {
  readonly traceId: string
  readonly spanId: string
  readonly continued: boolean
  readonly #tracer: Tracer
  readonly #method: string
  readonly #context: Context
  readonly #server: Span
  #client: Span | undefined

  constructor(tracer: Tracer, method: string, traceparent: unknown, target: string) {
    const parent = contextOf(traceparent)
    const attributes = {
      'http.request.method': method,
      'url.scheme': 'http',
      'url.path': pathOf(target),
    }
    this.#tracer = tracer
    this.#method = method
    this.#server = tracer.startSpan(method, { kind: SpanKind.SERVER, attributes }, parent)
    this.#context = trace.setSpan(parent, this.#server)
    const { traceId, spanId } = this.#server.spanContext()
    this.traceId = traceId
    this.spanId = spanId
    this.continued = parent !== ROOT_CONTEXT
  }

  forward(origin: string, path: string): string {
    const { hostname, port, protocol } = new URL(origin)
    const attributes = {
      'http.request.method': this.#method,
      'server.address': hostname,
      'server.port': Number(port) || (protocol === 'http:' ? 80 : 443),
      'url.full': origin + pathOf(path),
    }
    const options = { kind: SpanKind.CLIENT, attributes }
    this.#client = this.#tracer.startSpan(this.#method, options, this.#context)
    const { traceId, spanId, traceFlags } = this.#client.spanContext()
    return formatTraceparent({ traceId, spanId, sampled: traceFlags !== NOT_SAMPLED })
  }

  end(result: TraceResult): void {
    const { failure, token, ids } = result
    if (this.#client !== undefined) {
      if (token === 'replayed') this.#client.setAttribute('http.request.resend_count', 1)
      // The status is then one that the proxy made up.
      finish(this.#client, failure === undefined ? result : { ...result, status: undefined }, 400)
    }
    if (token !== undefined) this.#server.setAttribute('service_key_proxy.token', token)
    this.#server.setAttributes({
      'service_key_proxy.request_id': ids.requestId,
      'service_key_proxy.correlation_id': ids.correlationId,
    })
    finish(this.#server, result, 500)
  }
}
