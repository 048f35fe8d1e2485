/**
 * Counters and states → the text that Prometheus reads. The library is loaded and Node's own metrics
 * are gathered from the first scrape on: nobody pays for metrics that nobody reads.
 */
import type { Metric, Registry } from 'prom-client'
import type { TokenState } from '../token/token-source.ts'
import type { Histogram } from './counters.ts'
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

const PREFIX = 'service_key_proxy_'

const entry = (
  name: string,
  type: MetricEntry['type'],
  help: string,
  labels: readonly string[] = [],
): MetricEntry => ({ name: PREFIX + name, type, help, labels })

export const METRICS = {
  requests: entry(
    'requests_total',
    'counter',
    'Requests that are done, without probes. Status "none": the caller left before an answer. Origin: who made the answer.',
    ['method', 'status', 'origin'],
  ),
  requestDuration: entry(
    'request_duration_seconds',
    'histogram',
    'From the head of a request to the end of its answer.',
  ),
  upstreamDuration: entry(
    'upstream_duration_seconds',
    'histogram',
    'From handing a request to the connections of the API to the head of its answer, repetition included.',
  ),
  inFlight: entry('in_flight_requests', 'gauge', 'Requests that are not done, without probes.'),
  tokenRequests: entry('token_requests_total', 'counter', 'Requests to the token server.', [
    'outcome',
  ]),
  tokenExpiresIn: entry(
    'token_expires_in_seconds',
    'gauge',
    'Until the token expires, the shortest of several; 0 without one. Absent while nobody asks for one.',
  ),
  tokenRefreshDuration: entry(
    'token_refresh_duration_seconds',
    'histogram',
    'Attempts to get a token, repetitions included.',
  ),
  tokenWaiters: entry('token_waiters', 'gauge', 'Requests that wait for a token.'),
  replays: entry(
    'replays_total',
    'counter',
    'Requests that the API answered with 401, by what came of sending them again.',
    ['result'],
  ),
  credentialExpiresIn: entry(
    'credential_expires_in_seconds',
    'gauge',
    'Until the client certificate of the service key expires. Absent for keys with a secret.',
  ),
  credentialReloads: entry(
    'credential_reloads_total',
    'counter',
    'Service keys that were found changed, by what came of it.',
    ['outcome'],
  ),
  credentialAge: entry(
    'credential_age_seconds',
    'gauge',
    'Since the service key in use was taken, the oldest of several.',
  ),
  linksRewritten: entry(
    'links_rewritten_total',
    'counter',
    'Links in answers that were made to lead through the proxy.',
  ),
  denied: entry('denied_total', 'counter', 'Requests that a rule kept from the API.', ['reason']),
} as const satisfies Record<string, MetricEntry>

const SUFFIXES = ['_bucket', '_sum', '_count']

/** Names of the series as a query sees them: a histogram has three. */
export const SERIES_NAMES: readonly string[] = Object.values<MetricEntry>(METRICS).flatMap(
  ({ name, type }) => (type === 'histogram' ? SUFFIXES.map((suffix) => name + suffix) : [name]),
)

type Format = 'prometheus' | 'openmetrics'

const createRegistry = async (format: Format, sources: MetricSources): Promise<Registry> => {
  const prometheus = await import('prom-client')
  const registry = new prometheus.Registry()
  if (format === 'openmetrics') {
    registry.setContentType(prometheus.Registry.OPENMETRICS_CONTENT_TYPE as never)
  }
  const read = readers(sources)
  for (const key of Object.keys(METRICS) as (keyof typeof METRICS)[]) {
    registry.registerMetric(metricOf(METRICS[key], read[key]) as unknown as Metric)
  }
  prometheus.collectDefaultMetrics({ register: registry })
  return registry
}

/** What each metric shows at the moment. */
const readers = ({ metrics, tokens, credentials }: MetricSources) =>
  ({
    requests: () =>
      metrics.requests.entries().map(({ count: value, ...labels }) => ({ value, labels })),
    requestDuration: () => histogramSamples(METRICS.requestDuration, metrics.requestDuration),
    upstreamDuration: () => histogramSamples(METRICS.upstreamDuration, metrics.upstreamDuration),
    inFlight: () => plain(metrics.inFlight),
    tokenRequests: () => labelled(METRICS.tokenRequests, metrics.tokenRequests.entries()),
    // A token that nobody asks for may lapse; it is no reason for an alarm.
    tokenExpiresIn: () => {
      const used = tokens().filter(({ idle }) => !idle)
      return worst(
        Math.min,
        used.map(({ secondsLeft }) => secondsLeft),
      )
    },
    tokenRefreshDuration: () =>
      histogramSamples(METRICS.tokenRefreshDuration, metrics.tokenRefreshDuration),
    tokenWaiters: () => plain(tokens().reduce((sum, { waiters }) => sum + waiters, 0)),
    replays: () => labelled(METRICS.replays, metrics.replays.entries()),
    credentialExpiresIn: () => {
      const left = credentials().map(({ expiresInSeconds }) => expiresInSeconds)
      return worst(
        Math.min,
        left.filter((seconds) => seconds !== undefined),
      )
    },
    credentialReloads: () => labelled(METRICS.credentialReloads, metrics.reloads.entries()),
    credentialAge: () =>
      worst(
        Math.max,
        credentials().map(({ ageSeconds }) => ageSeconds),
      ),
    linksRewritten: () => plain(metrics.links),
    denied: () => labelled(METRICS.denied, metrics.denials.entries()),
  }) satisfies Record<keyof typeof METRICS, () => readonly Sample[]>

/** What a registry asks of a metric; the library's own classes keep a copy of every number. */
const metricOf = ({ name, type, help }: MetricEntry, read: () => readonly Sample[]) => ({
  // The registry takes `_total` off the name of a counter, and expects to find it so here.
  name,
  type,
  help,
  async get() {
    return { name: this.name, type, help, values: read(), aggregator: 'sum' }
  },
})

const histogramSamples = ({ name }: MetricEntry, histogram: Histogram): readonly Sample[] => {
  const counts = histogram.cumulative()
  const buckets = counts.map((value, index) => ({
    value,
    labels: { le: String(histogram.bounds[index] ?? '+Inf') },
    metricName: `${name}_bucket`,
  }))
  const count = counts.at(-1) as number
  return [
    ...buckets,
    { value: histogram.sum, metricName: `${name}_sum` },
    { value: count, metricName: `${name}_count` },
  ]
}

const plain = (value: number): readonly Sample[] => [{ value }]

const labelled = (
  { labels: [label = ''] }: MetricEntry,
  entries: readonly (readonly [string, number])[],
): readonly Sample[] => entries.map(([text, value]) => ({ value, labels: { [label]: text } }))

/** No sample rather than a wrong one. */
const worst = (pick: (...values: number[]) => number, values: readonly number[]) =>
  values.length === 0 ? [] : plain(pick(...values))

interface Sample {
  readonly value: number
  readonly labels?: Readonly<Record<string, string>>
  /** Where it is not that of the metric. */
  readonly metricName?: string
}

/* FOLDED:
 * Every metric of the proxy's own, once. Dashboards and alerts are held against this table, so names
 * are part of the interface. No path, id or tenant is ever a label: each would make a series of its own.
 */

interface MetricEntry {
  readonly name: string
  readonly type: 'counter' | 'gauge' | 'histogram'
  readonly help: string
  readonly labels: readonly string[]
}
