/**
 * Records spans with OpenTelemetry and delivers them over OTLP/HTTP. Endpoint, headers, sampling,
 * resource and batching are settings of the OpenTelemetry specification (OTEL_…), read by its SDK.
 */
import {
  type Context,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace,
  TraceFlags,
  type Tracer,
} from '@opentelemetry/api'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import {
  defaultResource,
  detectResources,
  envDetector,
  resourceFromAttributes,
} from '@opentelemetry/resources'
import {
  BasicTracerProvider,
  BatchSpanProcessor,
  type SpanExporter,
} from '@opentelemetry/sdk-trace-base'
import { within } from '../clock.ts'
import { systemCode } from '../errors.ts'
import { pathOf } from '../policy/request-target.ts'
import type { TokenGrant } from '../token/token-source.ts'
import {
  formatTraceparent,
  parseTraceparent,
  passTrace,
  type RequestTrace,
  type TraceResult,
  type Tracing,
  type TracingOptions,
} from './trace-context.ts'

export const recordTraces = ({ version, onProblem, clock }: TracingOptions): Tracing => {
  const attributes = { 'service.name': NAME, 'service.version': version }
  const exporter = watched(new OTLPTraceExporter(), onProblem)
  const provider = new BasicTracerProvider({
    resource: defaultResource()
      .merge(resourceFromAttributes(attributes))
      .merge(detectResources({ detectors: [envDetector] })),
    spanProcessors: [new BatchSpanProcessor(exporter)],
  })
  const tracer = provider.getTracer(NAME, version)
  return {
    open: (method, traceparent, target) =>
      // Probes come every few seconds, and tell nothing.
      target.startsWith(PROBE_PATH)
        ? passTrace(traceparent)
        : new RecordedTrace(tracer, method, traceparent, target),
    traceGrant: (grant, endpoint) => tracedGrant(tracer, grant, endpoint),
    async stop() {
      const handedOver = provider.shutdown().catch(() => undefined)
      await within(clock, STOP_MS, [], handedOver)
    },
  }
}

const NAME = 'service-key-proxy'

/** The SDK would tell its own global logger, which says nothing by default. */
const watched = (exporter: SpanExporter, onProblem: (reason: string) => void): SpanExporter => ({
  export(spans, done) {
    exporter.export(spans, (result) => {
      if (result.error !== undefined) onProblem(`no delivery (${codeOf(result.error)})`)
      done(result)
    })
  },
  shutdown: () => exporter.shutdown(),
})

/** An HTTP status or the code of a network error; the text could hold more than a log may. */
const codeOf = (error: Error & { code?: unknown }): string =>
  typeof error.code === 'number' ? `status ${error.code}` : systemCode(error.cause ?? error)

const PROBE_PATH = '/-/'

/** For handing over the last spans: stopping must not hang on their receiver. */
const STOP_MS = 2_000

/**
 * Spans of one request: that of the server, and that of the exchange with the API. Queries are left
 * out: OData filters carry personal data.
 */
class RecordedTrace implements RequestTrace {
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
    return formatTraceparent({ traceId, spanId, sampled: (traceFlags & TraceFlags.SAMPLED) !== 0 })
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

const tracedGrant = (tracer: Tracer, grant: TokenGrant, endpoint: URL): TokenGrant => ({
  async request(signal) {
    const attributes = { 'http.request.method': 'POST', 'server.address': endpoint.hostname }
    const span = tracer.startSpan('token request', { kind: SpanKind.CLIENT, attributes })
    const outcome = await grant.request(signal)
    if (outcome.ok) {
      span.setAttribute('service_key_proxy.token_lifetime_s', outcome.token.lifetime / 1000)
    } else {
      const { kind, reason, status } = outcome.failure
      span.setAttribute('error.type', kind)
      if (status !== undefined) span.setAttribute('http.response.status_code', status)
      span.setStatus({ code: SpanStatusCode.ERROR, message: reason })
    }
    span.end()
    return outcome
  },
})
