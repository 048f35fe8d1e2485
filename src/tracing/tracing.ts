/** Whether spans are recorded: only where the environment names a receiver for them. */
import { passTrace, type Tracing, type TracingOptions } from './trace-context.ts'

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
