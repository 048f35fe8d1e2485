/**
 * Every metric of the proxy's own, once. Dashboards and alerts are held against this table, so names
 * are part of the interface. No path, id or tenant is ever a label: each would make a series of its own.
 */

export interface MetricEntry {
  readonly name: string
  readonly type: 'counter' | 'gauge' | 'histogram'
  readonly help: string
  readonly labels: readonly string[]
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
