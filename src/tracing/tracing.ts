/** Whether spans are recorded: only where the environment names a receiver for them. */
import type { Clock } from '../clock.ts'
import type { TokenGrant } from '../token/token-source.ts'
import { passTrace, type OpenTrace } from './trace-context.ts'

export interface Tracing {
  readonly open: OpenTrace
  /** @returns the same grant, with a span for every exchange */
  readonly traceGrant: (grant: TokenGrant, endpoint: URL) => TokenGrant
  /** Hands over what is left, within a limit. Never rejects. */
  readonly stop: () => Promise<void>
}

export interface TracingOptions {
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly version: string
  readonly clock: Clock
  /** Told why spans are lost, in words that are safe to log. */
  readonly onProblem: (reason: string) => void
}

export const noTracing: Tracing = {
  open: (_method, traceparent) => passTrace(traceparent),
  traceGrant: (grant) => grant,
  stop: () => Promise.resolve(),
}

/** The packages are optional and slow to load, so nothing is loaded that is not asked for. */
export const loadTracing = async (
  options: TracingOptions,
  load = () => import('./recorded-tracing.ts'),
): Promise<Tracing> => {
  if (!isWanted(options.environment)) return noTracing
  try {
    const { recordTraces } = await load()
    return recordTraces(options)
  } catch {
    options.onProblem('the OpenTelemetry packages cannot be loaded')
    return noTracing
  }
}

/** Names of the OpenTelemetry specification; the exporter reads them, and more, by itself. */
const isWanted = (environment: TracingOptions['environment']): boolean =>
  environment['OTEL_SDK_DISABLED'] !== 'true' &&
  Boolean(
    environment['OTEL_EXPORTER_OTLP_ENDPOINT'] || environment['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT'],
  )
