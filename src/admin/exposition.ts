/**
 * Counters and states → the text that Prometheus reads. The library is loaded and Node's own metrics
 * are gathered from the first scrape on: nobody pays for metrics that nobody reads.
 */
import type { Metric, Registry } from 'prom-client'
import type { TokenState } from '../token/token-source.ts'
import type { Histogram, LabelledCounter } from './counters.ts'
import type { ProxyMetrics } from './metrics.ts'

/** The service key in use, as far as a metric shows it. */
export interface CredentialState {
  readonly ageSeconds: number
  /** Of the client certificate; `undefined`: the key has a secret. */
  readonly expiresInSeconds: number | undefined
}

export interface MetricSources {
  readonly metrics: ProxyMetrics
  /** One for each token that is kept. */
  readonly tokens: () => readonly TokenState[]
  readonly credentials: () => readonly CredentialState[]
}

export interface Exposition {
  readonly contentType: string
  readonly text: string
}

/** @returns what answers a scrape, by its `Accept` field */
export const createExposition = (sources: MetricSources) => {
  // One each: the library renames counters for good when it writes OpenMetrics.
  const registries = new Map<Format, Promise<Registry>>()
  return async (accept = ''): Promise<Exposition> => {
    const format = accept.includes('application/openmetrics-text') ? 'openmetrics' : 'prometheus'
    const creating = registries.get(format) ?? createRegistry(format, sources)
    registries.set(format, creating)
    const registry = await creating
    return { contentType: registry.contentType, text: await registry.metrics() }
  }
}

interface MetricEntry {
  readonly name: string
  readonly type: 'counter' | 'gauge' | 'histogram'
  readonly help: string
  readonly read: (sources: MetricSources) => Reading
}

/** `undefined`: no sample, rather than a wrong one. */
type Reading = number | undefined | readonly Sample[] | Histogram

interface Sample {
  readonly value: number
  readonly labels?: Readonly<Record<string, string>>
  /** Where it is not that of the metric. */
  readonly metricName?: string
}

const metric = (
  name: string,
  type: MetricEntry['type'],
  help: string,
  read: MetricEntry['read'],
): MetricEntry => ({ name: `service_key_proxy_${name}`, type, help, read })

/**
 * Every metric of the proxy's own, once. Dashboards and alerts are held against this table, so names
 * are part of the interface. No path, id or tenant is ever a label: each would make a series of its own.
 */
export const METRICS: readonly MetricEntry[] = [
  metric(
    'requests_total',
    'counter',
    'Requests that are done, without probes. Status "none": the caller left before an answer. Origin: who made the answer.',
    ({ metrics }) =>
      metrics.requests.entries().map(({ count: value, ...labels }) => ({ value, labels })),
  ),
  metric(
    'request_duration_seconds',
    'histogram',
    'From the head of a request to the end of its answer.',
    ({ metrics }) => metrics.requestDuration,
  ),
  metric(
    'upstream_duration_seconds',
    'histogram',
    'From handing a request to the connections of the API to the head of its answer, repetition included.',
    ({ metrics }) => metrics.upstreamDuration,
  ),
  metric(
    'in_flight_requests',
    'gauge',
    'Requests that are not done, without probes.',
    ({ metrics }) => metrics.inFlight,
  ),
  metric(
    'token_requests_total',
    'counter',
    'Requests to the token server. "rejected": the key in use, and nothing helps. "rejected_rescued": the key in use, but the previous one still gives tokens. "rejected_unused": a key that is only tried, or was replaced.',
    ({ metrics }) => by('outcome', metrics.tokenRequests),
  ),
  metric(
    'token_expires_in_seconds',
    'gauge',
    'Until the token expires, the shortest of several; 0 without one. Absent while nobody asks for one.',
    // A token that nobody asks for may lapse; it is no reason for an alarm.
    ({ tokens }) =>
      worst(Math.min, tokens(), (token) => (token.idle ? undefined : token.secondsLeft)),
  ),
  metric(
    'token_refresh_duration_seconds',
    'histogram',
    'Attempts to get a token, repetitions included.',
    ({ metrics }) => metrics.tokenRefreshDuration,
  ),
  metric('token_waiters', 'gauge', 'Requests that wait for a token.', ({ tokens }) =>
    tokens().reduce((sum, { waiters }) => sum + waiters, 0),
  ),
  metric(
    'replays_total',
    'counter',
    'Requests that the API answered with 401, by what came of sending them again.',
    ({ metrics }) => by('result', metrics.replays),
  ),
  metric(
    'credential_expires_in_seconds',
    'gauge',
    'Until the client certificate of the service key expires. Absent for keys with a secret.',
    ({ credentials }) => worst(Math.min, credentials(), (key) => key.expiresInSeconds),
  ),
  metric(
    'credential_reloads_total',
    'counter',
    'Service keys that were found changed, by what came of it.',
    ({ metrics }) => by('outcome', metrics.reloads),
  ),
  metric(
    'credential_age_seconds',
    'gauge',
    'Since the service key in use was taken, the oldest of several.',
    ({ credentials }) => worst(Math.max, credentials(), (key) => key.ageSeconds),
  ),
  metric(
    'links_rewritten_total',
    'counter',
    'Links in answers that were made to lead through the proxy.',
    ({ metrics }) => metrics.links,
  ),
  metric('denied_total', 'counter', 'Requests that a rule kept from the API.', ({ metrics }) =>
    by('reason', metrics.denials),
  ),
]

/** Names of the series as a query sees them: a histogram has three. */
export const SERIES_NAMES: readonly string[] = METRICS.flatMap(({ name, type }) =>
  type === 'histogram' ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name],
)

type Format = 'prometheus' | 'openmetrics'

const createRegistry = async (format: Format, sources: MetricSources): Promise<Registry> => {
  const prometheus = await import('prom-client')
  const registry = new prometheus.Registry()
  if (format === 'openmetrics') {
    registry.setContentType(prometheus.Registry.OPENMETRICS_CONTENT_TYPE as never)
  }
  for (const { name, type, help, read } of METRICS) {
    // What a registry asks of a metric; the library's own classes keep a copy of every number.
    const registered = {
      // The registry takes `_total` off the name of a counter, and expects to find it so here.
      name,
      type,
      help,
      async get() {
        const values = samplesOf(name, read(sources))
        return { name: this.name, type, help, values, aggregator: 'sum' }
      },
    }
    registry.registerMetric(registered as unknown as Metric)
  }
  prometheus.collectDefaultMetrics({ register: registry })
  return registry
}

const by = (label: string, counter: LabelledCounter): readonly Sample[] =>
  counter.entries().map(([text, value]) => ({ value, labels: { [label]: text } }))

const worst = <T>(
  pick: (...values: number[]) => number,
  all: readonly T[],
  valueOf: (one: T) => number | undefined,
): number | undefined => {
  const values = all.map(valueOf).filter((value) => value !== undefined)
  return values.length === 0 ? undefined : pick(...values)
}

const samplesOf = (name: string, reading: Reading): readonly Sample[] => {
  if (reading === undefined) return []
  if (typeof reading === 'number') return [{ value: reading }]
  if (!('cumulative' in reading)) return reading
  const counts = reading.cumulative()
  const buckets = counts.map((value, index) => ({
    value,
    labels: { le: String(reading.bounds[index] ?? '+Inf') },
    metricName: `${name}_bucket`,
  }))
  return [
    ...buckets,
    { value: reading.sum, metricName: `${name}_sum` },
    { value: counts.at(-1) as number, metricName: `${name}_count` },
  ]
}
