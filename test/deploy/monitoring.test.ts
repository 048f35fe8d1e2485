/** Alerts and dashboard: rules that promtool has tried, and no expression about a metric that is not there. */
import t, { type Test } from 'tap'
import { readFileSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { parse } from 'yaml'
import { SERIES_NAMES } from '../../src/admin/exposition.ts'
import { freePort } from '../fixtures/free-port.ts'
import { call } from '../fixtures/http-client.ts'
import { readingOf, startProxy } from '../fixtures/proxy.ts'
import { startServer } from '../fixtures/recording-server.ts'
import { missing, run } from './tools.ts'

const ALERTS = 'helm/service-key-proxy/files/alerts.yaml'

/** Of the many that prom-client collects by default, those that the dashboard shows. */
const DEFAULTS = [
  'process_resident_memory_bytes',
  'process_cpu_seconds_total',
  'nodejs_eventloop_lag_p99_seconds',
]

const EXPOSED: ReadonlySet<string> = new Set([...SERIES_NAMES, ...DEFAULTS])

interface Alert {
  readonly alert: string
  readonly expr: string
  readonly labels: { readonly severity: string }
  readonly annotations: { readonly runbook: string }
}

interface Panel {
  readonly id: number
  readonly title: string
  readonly description: string
  readonly gridPos: {
    readonly x: number
    readonly y: number
    readonly w: number
    readonly h: number
  }
  readonly datasource: { readonly uid: string }
  readonly targets: readonly { readonly refId: string; readonly expr: string }[]
}

interface Dashboard {
  readonly schemaVersion: number
  readonly templating: { readonly list: readonly { readonly name: string }[] }
  readonly panels: readonly Panel[]
}

const read = (path: string): string => readFileSync(path, 'utf8')
const alerts = (
  parse(read(ALERTS)) as { readonly groups: readonly { readonly rules: readonly Alert[] }[] }
).groups.flatMap(({ rules }) => rules)
const dashboard = JSON.parse(read('helm/service-key-proxy/files/dashboard.json')) as Dashboard
const queries = dashboard.panels.flatMap(({ targets }) => targets.map(({ expr }) => expr))

const metricsIn = (expression: string): readonly string[] =>
  expression.match(/\b(?:service_key_proxy|process|nodejs)_\w+/g) ?? []

t.test('every expression names metrics that exist', async (t) => {
  for (const expression of [...alerts.map(({ expr }) => expr), ...queries]) {
    const names = metricsIn(expression)
    t.ok(names.length > 0, expression)
    for (const name of names) t.ok(EXPOSED.has(name), name)
  }
})

t.test('every metric of the proxy has its place on the dashboard', async (t) => {
  const shown = new Set(queries.flatMap(metricsIn))
  const own = [...EXPOSED].filter((name) => name.startsWith('service_key_proxy_'))
  for (const name of own.filter((name) => !/_(?:sum|count)$/.test(name)))
    t.ok(shown.has(name), name)
})

t.test('the dashboard is complete: ids, data source, places', async (t) => {
  t.ok(dashboard.schemaVersion >= 36)
  const { panels } = dashboard
  t.equal(new Set(panels.map(({ id }) => id)).size, panels.length)
  const cells = panels.flatMap(({ gridPos: { x, y, w } }) =>
    Array.from({ length: w }, (_, column) => `${x + column},${y}`),
  )
  t.equal(new Set(cells).size, cells.length, 'no panel lies on another')
  for (const { title, description, datasource, gridPos, targets } of panels) {
    t.ok(description, title)
    t.equal(datasource.uid, '${datasource}', title)
    t.ok(gridPos.x + gridPos.w <= 24, title)
    t.equal(new Set(targets.map(({ refId }) => refId)).size, targets.length, title)
  }
  const variables = new Set(dashboard.templating.list.map(({ name }) => `$${name}`))
  for (const name of queries.flatMap((expr) => expr.match(/\$(?!__)\w+/g) ?? [])) {
    t.ok(variables.has(name), name)
  }
})

t.test('every alert has a section in the run book', async (t) => {
  const sections = read('docs/operations.md').match(/^### ServiceKeyProxy\w+$/gm) ?? []
  t.same(
    sections.map((line) => line.slice('### '.length)).toSorted(),
    alerts.map(({ alert }) => alert).toSorted(),
  )
  for (const { alert, annotations, labels } of alerts) {
    t.equal(annotations.runbook, `docs/operations.md#${alert.toLowerCase()}`)
    t.ok(['critical', 'warning'].includes(labels.severity), alert)
  }
})

t.test(
  'each alert fires on what it is for and not on what looks like it',
  {
    skip: missing('promtool'),
  },
  async (t) => {
    const tests = read('test/deploy/alerts.test.yaml')
    for (const { alert } of alerts) t.ok(tests.includes(alert), alert)
    for (const args of [
      ['check', 'rules', ALERTS],
      ['test', 'rules', 'test/deploy/alerts.test.yaml'],
    ]) {
      const { status, stdout, stderr } = run('promtool', args)
      t.equal(status, 0, stdout + stderr)
    }
  },
)

/** What a scrape says of the proxy itself: series and value. */
const samplesOf = (page: string) =>
  new Map(
    [...page.matchAll(/^(service_key_proxy_\w+)(?:\{(.*)\})? (\S+)$/gm)].map(
      ([, name, labels = '', value]) => [
        `${name}{${[labels, 'instance="a",job="j",namespace="n"'].filter(Boolean).join()}}`,
        Number(value),
      ],
    ),
  )

/** Scrapes of a real proxy, before and after it was given a key that yields no token. */
const scrapeBadRotation = async (t: Test) => {
  const tokens = await startServer(t, (request, response) => {
    const isGood = request.body.toString().includes('client_secret=good-secret')
    response.writeHead(isGood ? 200 : 401)
    response.end(isGood ? '{"access_token":"t","expires_in":43199}' : '{"error":"unauthorized"}')
  })
  const api = await startServer(t, (_request, response) => response.end('{}'))
  const watch = [{ directory: t.testdir() }]
  const reading = (clientSecret: string) =>
    readingOf(`${tokens.url}/oauth/token`, { '': api.url }, { clientSecret, watch })
  let delivered = reading('good-secret')
  const adminPort = await freePort()
  const { app, port, log } = await startProxy(t, {
    sources: [{ name: 'intas', read: () => delivered }],
    settings: { SKP_ADMIN_PORT: String(adminPort) },
  })
  const get = async () => t.match(await call(port, { path: '/x' }), { status: 200 })
  const scrape = async () =>
    samplesOf((await call(adminPort, { path: '/metrics' })).body.toString())
  await get()
  const before = await scrape()
  delivered = reading('wrong-secret')
  app.reload()
  while (!log.some(({ level }) => level === 'warn')) await new Promise(setImmediate)
  await get()
  return { before, after: await scrape() }
}

/** What is expected of an alert of that instance. */
const at = (alertname: string, minutes: number) => ({
  eval_time: `${minutes}m`,
  alertname,
  exp_alerts:
    alertname === 'ServiceKeyProxyReloadFailed' && minutes > 10
      ? [
          {
            exp_labels: {
              severity: 'warning',
              instance: 'a',
              job: 'j',
              namespace: 'n',
              outcome: 'refused',
            },
            exp_annotations: {
              summary: 'service-key-proxy a was given a service key that it cannot use',
              description: 'The old key stays in use until it is revoked.',
              runbook: 'docs/operations.md#servicekeyproxyreloadfailed',
            },
          },
        ]
      : [],
})

t.test('of a key that yields no token while the old one serves', async (t) => {
  const { before, after } = await scrapeBadRotation(t)
  const grown = [...after].filter(([series, value]) => value > (before.get(series) ?? 0))
  const counted = (name: string, outcome: string) =>
    grown.some(([series]) => series.startsWith(`service_key_proxy_${name}{outcome="${outcome}"`))

  t.test('the metrics tell, apart from rejections of the key in use', async (t) => {
    t.ok(counted('token_requests_total', 'rejected_unused'))
    t.ok(counted('credential_reloads_total', 'refused'))
    t.notOk(counted('token_requests_total', 'rejected'))
  })

  t.test('nothing fires but the warning', { skip: missing('promtool') }, async (t) => {
    const input_series = [...after].map(([series, value]) => ({
      series,
      values: `${before.get(series) ?? 0}+0x20 ${value}+0x40`,
    }))
    const alert_rule_test = [9, 12, 20].flatMap((minutes) =>
      alerts.map(({ alert }) => at(alert, minutes)),
    )
    const file = `${t.testdir()}/rotation.json`
    const tests = [{ interval: '30s', input_series, alert_rule_test }]
    writeFileSync(file, JSON.stringify({ rule_files: [resolve(ALERTS)], tests }))
    const { status, stdout, stderr } = run('promtool', ['test', 'rules', file])
    t.equal(status, 0, stdout + stderr)
  })
})

t.test(
  'Prometheus understands every query of the dashboard',
  {
    skip: missing('promtool'),
  },
  async (t) => {
    const rules = queries.map((expr, index) => ({
      record: `query:${index}`,
      expr: expr.replaceAll('$__rate_interval', '5m').replaceAll(/\$\w+/g, '.+'),
    }))
    const file = `${t.testdir()}/queries.json`
    writeFileSync(file, JSON.stringify({ groups: [{ name: 'queries', rules }] }))
    const { status, stdout, stderr } = run('promtool', ['check', 'rules', file])
    t.equal(status, 0, stdout + stderr)
  },
)
