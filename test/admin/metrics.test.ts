/** Metrics: what is counted, and the text that a scrape gets, judged by Prometheus' own tool. */
import t from 'tap'
import { spawnSync } from 'node:child_process'
import { Histogram, LabelledCounter, RequestTally } from '../../src/admin/counters.ts'
import {
  createExposition,
  METRICS,
  type MetricSources,
  SERIES_NAMES,
} from '../../src/admin/exposition.ts'
import { countedGrant, ProxyMetrics, timedGrant } from '../../src/admin/metrics.ts'
import type { RequestContext } from '../../src/proxy/request-context.ts'
import { createAccessToken } from '../../src/token/access-token.ts'
import type { GrantOutcome, TokenState } from '../../src/token/token-source.ts'
import { passTrace } from '../../src/tracing/trace-context.ts'
import { ManualClock } from '../fixtures/manual-clock.ts'

const CONTEXT: RequestContext = {
  ids: { requestId: 'r', correlationId: 'c' },
  trace: passTrace(undefined),
  startedAt: 0,
  path: '/Vendor',
  responseBytes: 0,
  token: 'cached',
}

const STATE: TokenState = {
  freshness: 'fresh',
  secondsLeft: 3600,
  lastOutcome: { kind: 'granted' },
  idle: false,
  waiters: 2,
}

const OPENMETRICS = 'application/openmetrics-text;version=1.0.0;q=0.8,text/plain;q=0.5'

const open = (changes: Partial<MetricSources> = {}) => {
  const metrics = new ProxyMetrics()
  const expose = createExposition({
    metrics,
    tokens: () => [STATE],
    credentials: () => [{ ageSeconds: 60, expiresInSeconds: 86_400 }],
    ...changes,
  })
  /** The value of a series, as it is written. */
  const value = async (series: string) => {
    const { text } = await expose()
    const line = text.split('\n').find((other) => other.startsWith(`${series} `))
    return line === undefined ? undefined : Number(line.slice(series.length + 1))
  }
  return { metrics, expose, value: (name: string) => value(`service_key_proxy_${name}`) }
}

t.test('a histogram counts up to and including its bounds', async (t) => {
  const histogram = new Histogram([0.1, 1])
  for (const ms of [0, 100, 101, 1_000, 1_001]) histogram.observe(ms)
  t.same(histogram.cumulative(), [2, 4, 5])
  t.equal(histogram.sum.toFixed(3), '2.202')
})

t.test('requests are told apart by what is limited: no caller can make new series', async (t) => {
  const tally = new RequestTally()
  tally.add('GET', 200, 'api')
  tally.add('GET', 200, 'api')
  tally.add('MERGE', 599, 'token-server')
  tally.add('GET', undefined, 'caller')
  for (const method of ['REBIND', 'x'.repeat(99), '']) tally.add(method, 200, 'api')
  tally.add('GET', 600, 'api')
  tally.add('GET', 999, 'api')
  t.same(tally.entries(), [
    { method: 'GET', status: '200', origin: 'api', count: 2 },
    { method: 'MERGE', status: '599', origin: 'token-server', count: 1 },
    { method: 'GET', status: 'none', origin: 'caller', count: 1 },
    { method: 'OTHER', status: '200', origin: 'api', count: 3 },
    { method: 'GET', status: 'other', origin: 'api', count: 2 },
  ])
})

t.test('labels that are more than a few are one', async (t) => {
  const counter = new LabelledCounter<string>(['known'])
  for (let index = 0; index < 100; index += 1) counter.add(`reason ${index}`)
  counter.add('known')
  const entries = counter.entries()
  t.equal(entries.length, 33)
  t.same(entries[0], ['known', 1])
  t.same(entries.at(-1), ['other', 69])
})

t.test('every metric is there before anything has happened', async (t) => {
  const { expose } = open()
  const { text, contentType } = await expose()
  t.match(contentType, /^text\/plain; version=0\.0\.4/)
  for (const { name, type } of METRICS) {
    t.ok(text.includes(`\n# TYPE ${name} ${type}\n`) || text.startsWith(`# HELP ${name} `), name)
  }
  t.match(text, /\nnodejs_eventloop_lag_p99_seconds /, "Node's own as well")
  t.match(text, /\nprocess_cpu_seconds_total /)
})

t.test('the names are those that dashboards and alerts rely on', async (t) => {
  t.same(
    SERIES_NAMES.map((name) => name.replace(/^service_key_proxy_/, '')),
    [
      'requests_total',
      'request_duration_seconds_bucket',
      'request_duration_seconds_sum',
      'request_duration_seconds_count',
      'upstream_duration_seconds_bucket',
      'upstream_duration_seconds_sum',
      'upstream_duration_seconds_count',
      'in_flight_requests',
      'token_requests_total',
      'token_expires_in_seconds',
      'token_refresh_duration_seconds_bucket',
      'token_refresh_duration_seconds_sum',
      'token_refresh_duration_seconds_count',
      'token_waiters',
      'replays_total',
      'credential_expires_in_seconds',
      'credential_reloads_total',
      'credential_age_seconds',
      'links_rewritten_total',
      'denied_total',
    ],
  )
})

t.test('requests', async (t) => {
  const { metrics, value } = open()
  metrics.requestBegan()
  metrics.requestBegan()
  t.equal(await value('in_flight_requests'), 2)
  metrics.requestEnded('GET', 200, { ...CONTEXT, sentAt: 5, respondedAt: 45 }, 70)
  metrics.requestEnded('POST', 503, { ...CONTEXT, failure: 'token_unavailable' }, 8_000)
  t.equal(await value('in_flight_requests'), 0)
  t.equal(await value('requests_total{method="GET",status="200",origin="api"}'), 1)
  t.equal(await value('requests_total{method="POST",status="503",origin="token-server"}'), 1)
  t.equal(await value('request_duration_seconds_bucket{le="0.05"}'), 0)
  t.equal(await value('request_duration_seconds_bucket{le="0.1"}'), 1)
  t.equal(await value('request_duration_seconds_bucket{le="+Inf"}'), 2)
  t.equal(await value('request_duration_seconds_count'), 2)
  t.equal(await value('request_duration_seconds_sum'), 8.07)
  t.equal(await value('upstream_duration_seconds_count'), 1, 'only where the API has answered')
  t.equal(await value('upstream_duration_seconds_sum'), 0.04)
})

t.test('what a 401 led to', async (t) => {
  const results: readonly (readonly [Partial<RequestContext>, number | undefined, string?])[] = [
    [{ token: 'cached' }, 200],
    [{ token: 'replayed' }, 200, 'answered'],
    [{ token: 'replayed', failure: 'upstream_rejected_token' }, 502, 'rejected'],
    [{ token: 'replayed' }, 401, 'rejected'],
    [{ token: 'replayed', failure: 'upstream_reset' }, 502, 'failed'],
    [{ token: 'replayed' }, undefined, 'failed'],
    [{ token: 'refreshed', failure: 'token_refreshed_retry' }, 503, 'not_repeatable'],
  ]
  for (const [context, status, result] of results) {
    const { metrics } = open()
    metrics.requestEnded('GET', status, { ...CONTEXT, ...context }, 1)
    const counted = metrics.replays.entries().filter(([, count]) => count > 0)
    t.same(counted, result === undefined ? [] : [[result, 1]])
  }
})

t.test('requests for tokens, one by one and as attempts', async (t) => {
  const { metrics, value } = open()
  const clock = new ManualClock()
  const token = createAccessToken('value', 3_600_000, clock.now(), 0)
  const outcomes: GrantOutcome[] = [
    { ok: false, failure: { kind: 'transient', reason: 'x' } },
    { ok: true, token },
    { ok: false, failure: { kind: 'rejected', reason: 'x' } },
  ]
  const grant = countedGrant({ request: async () => outcomes.shift() as GrantOutcome }, metrics)
  const attempt = timedGrant(
    {
      async request(signal) {
        await grant.request(signal)
        await clock.advance(300)
        return grant.request(signal)
      },
    },
    metrics,
    clock,
  )
  t.match(await attempt.request(new AbortController().signal), { ok: true })
  t.equal(await value('token_requests_total{outcome="transient"}'), 1)
  t.equal(await value('token_requests_total{outcome="granted"}'), 1)
  t.equal(await value('token_requests_total{outcome="rejected"}'), 0, 'there from the start')
  await grant.request(new AbortController().signal)
  t.equal(await value('token_requests_total{outcome="rejected"}'), 0, 'not known yet')
  metrics.tokenRejected('in_use')
  for (const role of ['rescued', 'unused'] as const) metrics.tokenRejected(role)
  for (const outcome of ['rejected', 'rejected_rescued', 'rejected_unused']) {
    t.equal(await value(`token_requests_total{outcome="${outcome}"}`), 1, outcome)
  }
  t.equal(await value('token_refresh_duration_seconds_count'), 1)
  t.equal(await value('token_refresh_duration_seconds_sum'), 0.3)
})

t.test('of several tokens and keys the worst is shown', async (t) => {
  const states = [STATE, { ...STATE, secondsLeft: 30 }, { ...STATE, secondsLeft: 0, idle: true }]
  const { value } = open({
    tokens: () => states,
    credentials: () => [
      { ageSeconds: 60, expiresInSeconds: undefined },
      { ageSeconds: 90, expiresInSeconds: 500 },
      { ageSeconds: 5, expiresInSeconds: 400 },
    ],
  })
  t.equal(await value('token_expires_in_seconds'), 30, 'one that lapsed unused is no alarm')
  t.equal(await value('token_waiters'), 6)
  t.equal(await value('credential_expires_in_seconds'), 400)
  t.equal(await value('credential_age_seconds'), 90)
})

t.test('what does not apply is absent instead of wrong', async (t) => {
  const { value } = open({
    tokens: () => [{ ...STATE, idle: true }],
    credentials: () => [{ ageSeconds: 1, expiresInSeconds: undefined }],
  })
  t.equal(await value('token_expires_in_seconds'), undefined)
  t.equal(await value('credential_expires_in_seconds'), undefined)
})

t.test('links, reloads and refusals', async (t) => {
  const { metrics, value } = open()
  metrics.requestEnded('GET', 200, { ...CONTEXT, links: 3 }, 1)
  metrics.requestEnded('GET', 200, { ...CONTEXT, links: 4 }, 1)
  metrics.reloads.add('refused')
  metrics.denials.add('cross_site')
  t.equal(await value('links_rewritten_total'), 7)
  t.equal(await value('credential_reloads_total{outcome="refused"}'), 1)
  t.equal(await value('credential_reloads_total{outcome="taken"}'), 0)
  t.equal(await value('denied_total{reason="cross_site"}'), 1)
})

/** The grammar of OpenMetrics 1.0 as far as names go: samples belong to the family above them. */
const familiesOf = (text: string) => {
  const families = new Map<string, string>()
  let family = ''
  for (const line of text.trimEnd().split('\n')) {
    const [, name, type] = /^# TYPE (\S+) (\S+)$/.exec(line) ?? []
    if (name !== undefined && type !== undefined) {
      family = name
      families.set(name, type)
    } else if (!line.startsWith('#')) {
      const suffix = { counter: '_total', histogram: '_(?:bucket|sum|count)' }[
        families.get(family) as string
      ]
      const sample = new RegExp(`^${family}${suffix ?? ''}(?:\\{[^}]*\\})? (?:\\S+)$`)
      if (!sample.test(line) && families.get(family) !== 'summary') t.fail(`${family}: ${line}`)
    }
  }
  return families
}

t.test('a scraper that prefers OpenMetrics gets it, the other one is not disturbed', async (t) => {
  const { metrics, expose } = open()
  metrics.requestBegan()
  metrics.requestEnded('GET', 200, CONTEXT, 1)
  const before = await expose('text/plain')
  const [{ text, contentType }] = await Promise.all([expose(OPENMETRICS), expose(OPENMETRICS)])
  t.match(contentType, /^application\/openmetrics-text; version=1\.0\.0/)
  t.ok(text.endsWith('\n# EOF\n'))
  const families = familiesOf(text)
  t.equal(families.get('service_key_proxy_requests'), 'counter')
  t.equal(families.get('service_key_proxy_request_duration_seconds'), 'histogram')
  t.match(text, 'service_key_proxy_requests_total{method="GET",status="200",origin="api"} 1\n')
  const after = await expose('*/*')
  t.equal(after.contentType, before.contentType)
  t.match(after.text, '\nservice_key_proxy_requests_total{')
})

const promtool = spawnSync('promtool', ['--version']).status === 0

t.test(
  'promtool finds nothing to say about it',
  { skip: !promtool && 'no promtool' },
  async (t) => {
    const { metrics, expose } = open()
    metrics.requestBegan()
    metrics.requestEnded('GET', 200, { ...CONTEXT, sentAt: 1, respondedAt: 2 }, 3)
    metrics.denials.add('host')
    const { text } = await expose()
    const { stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], {
      input: text,
      encoding: 'utf8',
    })
    t.notMatch(stdout + stderr, 'service_key_proxy')
    t.notMatch(stderr, 'error while linting')
  },
)
