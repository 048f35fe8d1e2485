/** Names of the series at /metrics. The own ones are the interface that dashboards and alerts rely on. */

const COUNTERS = ['requests', 'token_requests', 'replays', 'credential_reloads', 'denied']
const HISTOGRAMS = ['request_duration', 'upstream_duration', 'token_refresh_duration']
const GAUGES = [
  'in_flight_requests',
  'token_expires_in_seconds',
  'token_waiters',
  'credential_expires_in_seconds',
  'credential_age_seconds',
  'links_rewritten_total',
]

const own = [
  ...COUNTERS.map((name) => `${name}_total`),
  ...HISTOGRAMS.flatMap((name) =>
    ['bucket', 'sum', 'count'].map((series) => `${name}_seconds_${series}`),
  ),
  ...GAUGES,
].map((name) => `service_key_proxy_${name}`)

/** Of the many that prom-client collects by default, those that the dashboard shows. */
const DEFAULTS = [
  'process_resident_memory_bytes',
  'process_cpu_seconds_total',
  'nodejs_eventloop_lag_p99_seconds',
]

export const EXPOSED: ReadonlySet<string> = new Set([...own, ...DEFAULTS])
