/**
 * Records spans with OpenTelemetry and delivers them over OTLP/HTTP. Endpoint, headers, sampling,
 * resource and batching are settings of the OpenTelemetry specification (OTEL_…), read by its SDK.
 */
import { SpanKind, SpanStatusCode, type Tracer } from '@opentelemetry/api'
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
import type { TokenGrant } from '../token/token-source.ts'
import { RecordedTrace } from './recorded-trace.ts'
import { passTrace } from './trace-context.ts'
import type { Tracing, TracingOptions } from './tracing.ts'

const NAME = 'service-key-proxy'
const PROBE_PATH = '/-/'

/** For handing over the last spans: stopping must not hang on their receiver. */
const STOP_MS = 2_000
const NEVER = new AbortController().signal

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
      await within(clock, STOP_MS, NEVER, handedOver)
    },
  }
}
