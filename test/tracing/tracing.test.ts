/** Traces on the wire: to the API, and to a receiver of OTLP. */
import t, { type Test } from 'tap'
import { systemClock } from '../../src/clock.ts'
import {
  formatTraceparent,
  parseTraceparent,
  type TraceResult,
} from '../../src/tracing/trace-context.ts'
import { loadTracing, noTracing } from '../../src/tracing/tracing.ts'
import { call } from '../fixtures/http-client.ts'
import { ManualClock } from '../fixtures/manual-clock.ts'
import { CLIENT_SECRET, startProxy, TOKEN } from '../fixtures/proxy.ts'
import { startServer, startStreamingServer } from '../fixtures/recording-server.ts'

const TRACE_ID = '0af7651916cd43dd8448eb211c80319c'
const SPAN_ID = 'b7ad6b7169203331'
const SAMPLED = `00-${TRACE_ID}-${SPAN_ID}-01`
const IDS = { requestId: 'r', correlationId: 'c' }

t.test('a traceparent is read by the rules of W3C', async (t) => {
  const parent = { traceId: TRACE_ID, spanId: SPAN_ID }
  t.strictSame(parseTraceparent(SAMPLED), { ...parent, sampled: true })
  t.strictSame(parseTraceparent(SAMPLED.replace(/01$/, '02')), { ...parent, sampled: false })
  t.strictSame(parseTraceparent(`cc${SAMPLED.slice(2)}-more`), { ...parent, sampled: true })
  t.equal(formatTraceparent({ ...parent, sampled: true }), SAMPLED)
  const invalid = {
    'a forbidden version': `ff${SAMPLED.slice(2)}`,
    'more than version 00 has': `${SAMPLED}-more`,
    'a trace of zeros': SAMPLED.replace(TRACE_ID, '0'.repeat(32)),
    'a span of zeros': SAMPLED.replace(SPAN_ID, '0'.repeat(16)),
    'capital letters': SAMPLED.toUpperCase(),
    'two in one': `${SAMPLED}, ${SAMPLED}`,
    'a line break': `${SAMPLED}\n`,
    'too little': SAMPLED.slice(0, -1),
    nothing: '',
    'no text': undefined,
  }
  for (const [title, value] of Object.entries(invalid)) {
    t.equal(parseTraceparent(value), undefined, title)
  }
})

t.test('a trace that the caller began goes on, its state with it', async (t) => {
  const api = await startServer(t, (_request, response) => response.end('{}'))
  const { port, log } = await startProxy(t, { api: api.url })
  await call(port, { headers: { traceparent: SAMPLED, tracestate: 'vendor=1' } })
  t.match(api.requests, [{ headers: { traceparent: SAMPLED, tracestate: 'vendor=1' } }])
  t.match(
    log.filter(({ type }) => type === 'request'),
    [{ trace_id: TRACE_ID, span_id: SPAN_ID }],
  )
})

t.test('without a valid one a trace is started that nobody records', async (t) => {
  const api = await startServer(t, (_request, response) => response.end('{}'))
  const { port, log } = await startProxy(t, { api: api.url })
  for (const traceparent of [undefined, 'broken', `00-${'0'.repeat(32)}-${SPAN_ID}-01`]) {
    const given = traceparent === undefined ? {} : { traceparent }
    await call(port, { headers: { ...given, tracestate: 'vendor=1' } })
  }
  const sent = api.requests.map(({ headers }) => headers)
  t.ok(sent.every(({ traceparent }) => /^00-[\da-f]{32}-[\da-f]{16}-00$/.test(String(traceparent))))
  t.equal(new Set(sent.map(({ traceparent }) => traceparent)).size, 3)
  t.ok(
    sent.every(({ tracestate }) => tracestate === undefined),
    'a state of no trace is dropped',
  )
  const lines = log.filter(({ type }) => type === 'request')
  t.same(
    lines.map(({ trace_id, span_id }) => `00-${String(trace_id)}-${String(span_id)}-00`),
    sent.map(({ traceparent }) => traceparent),
  )
})

interface Value {
  readonly stringValue?: string
  readonly intValue?: number
}

interface Span {
  readonly name: string
  readonly kind: number
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId?: string
  readonly attributes: readonly { readonly key: string; readonly value: Value }[]
  readonly status: { readonly code: number }
}

interface Export {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: Span['attributes'] }
    readonly scopeSpans: readonly { readonly spans: readonly Span[] }[]
  }[]
}

const SERVER = 2
const CLIENT = 3
const ERROR = 2

const plain = (attributes: Span['attributes']) =>
  Object.fromEntries(
    attributes.map(({ key, value }) => [key, value.stringValue ?? value.intValue]),
  ) as Record<string, string | number | undefined>

/** The SDK reads its settings from the process itself. */
const setEnvironment = (t: Test, environment: Record<string, string>): void => {
  Object.assign(process.env, environment)
  t.teardown(() => {
    for (const name of Object.keys(environment)) delete process.env[name]
  })
}

/** An OTLP receiver, and the tracing of a process whose environment names it. */
const record = async (t: Test) => {
  const receiver = await startServer(t, (_request, response) => response.end('{}'))
  const environment = { OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url, OTEL_SERVICE_NAME: 'intas' }
  setEnvironment(t, environment)
  const problems: string[] = []
  const tracing = await loadTracing({
    environment,
    version: '1.2.3',
    clock: systemClock,
    onProblem: (reason) => problems.push(reason),
  })
  const exports = () => receiver.requests.map(({ body }) => JSON.parse(body.toString()) as Export)
  const spans = () =>
    exports()
      .flatMap(({ resourceSpans }) => resourceSpans)
      .flatMap(({ scopeSpans }) => scopeSpans)
      .flatMap(({ spans: list }) => list)
      .map((span) => Object.assign(span, { attributes: plain(span.attributes) }))
  return { receiver, tracing, problems, exports, spans }
}

t.test('a request makes a span of the server and one of the client, a token its own', async (t) => {
  const { receiver, tracing, exports, spans } = await record(t)
  const api = await startServer(t, (_request, response) => response.end('{}'))
  const { port, app, log } = await startProxy(t, { api: `${api.url}/v1`, tracing })
  const path = "/Vendor?$filter=Name%20eq%20'canary'"
  await call(port, { path, headers: { traceparent: SAMPLED, 'x-request-id': 'id' } })
  await call(port, { path: '/-/live' })
  await app.stop()

  t.ok(receiver.requests.every(({ method, url }) => `${method} ${url}` === 'POST /v1/traces'))
  const [resource] = exports().flatMap(({ resourceSpans }) => resourceSpans)
  t.match(plain(resource?.resource.attributes ?? []), {
    'service.name': 'intas',
    'service.version': '1.2.3',
  })
  const all = spans()
  t.equal(all.length, 3, 'none for the probe')
  const server = all.find(({ kind }) => kind === SERVER)
  t.match(server, {
    name: 'GET',
    traceId: TRACE_ID,
    parentSpanId: SPAN_ID,
    attributes: {
      'http.request.method': 'GET',
      'url.path': '/Vendor',
      'http.response.status_code': 200,
      'service_key_proxy.token': 'waited',
      'service_key_proxy.request_id': 'id',
      'service_key_proxy.correlation_id': 'id',
    },
  })
  const client = all.find(({ kind, traceId }) => kind === CLIENT && traceId === TRACE_ID)
  t.match(client, {
    name: 'GET',
    parentSpanId: server?.spanId,
    attributes: {
      'url.full': `${api.url}/v1/Vendor`,
      'server.address': '127.0.0.1',
      'server.port': api.port,
      'http.response.status_code': 200,
    },
  })
  const token = all.find(({ name }) => name === 'token request')
  t.match(token, { kind: CLIENT, attributes: { 'service_key_proxy.token_lifetime_s': 43_199 } })
  t.not(token?.traceId, TRACE_ID, 'it belongs to no caller')

  t.equal(api.requests[0]?.headers['traceparent'], `00-${TRACE_ID}-${client?.spanId}-01`)
  const lines = log.filter(({ type, level }) => type === 'request' && level === 'info')
  t.match(lines, [{ trace_id: TRACE_ID, span_id: server?.spanId }])
  const written = receiver.requests.map(({ body }) => body.toString()).join('')
  for (const canary of [TOKEN, CLIENT_SECRET, 'canary']) t.notOk(written.includes(canary), canary)
})

t.test('what a caller does not want recorded is not recorded', async (t) => {
  const { receiver, tracing } = await record(t)
  const api = await startServer(t, (_request, response) => response.end('{}'))
  const { port, app } = await startProxy(t, { api: api.url, tracing })
  await call(port, { headers: { traceparent: SAMPLED.replace(/01$/, '00') } })
  await app.stop()
  t.match(api.requests[0]?.headers, { traceparent: new RegExp(`^00-${TRACE_ID}-.*-00$`) })
  t.notOk(receiver.requests.some(({ body }) => body.toString().includes(TRACE_ID)))
})

t.test('failures are marked, each where it happened', async (t) => {
  const { tracing, spans } = await record(t)
  const tokens = await startServer(t, (_request, response) => {
    const first = tokens.requests.length === 1
    response.writeHead(first ? 400 : 200)
    response.end(first ? '{"error":"invalid_scope"}' : JSON.stringify({ access_token: TOKEN }))
  })
  const answers = [200, 401, 200, 404, 500]
  const api = await startServer(t, (_request, response) => {
    response.writeHead(answers.shift() ?? 200).end('{}')
  })
  const tokenEndpoint = `${tokens.url}/oauth/token`
  const clock = new ManualClock()
  const { port, app } = await startProxy(t, {
    api: api.url,
    tokenEndpoint,
    tracing,
    clock: {
      now: () => clock.now(),
      monotonic: () => clock.monotonic(),
      schedule: (...timer) => systemClock.schedule(...timer),
    },
  })
  await call(port, { path: '/refused' })
  await clock.advance(6_000)
  await call(port, { path: '/granted' })
  // A 401 to a token that was requested later is the path's own.
  await clock.advance(1)
  await call(port, { path: '/replayed' })
  await call(port, { path: '/missing' })
  await call(port, { path: '/failed' })
  await app.stop()

  const of = (path: string, wanted: number) =>
    spans().find(({ kind, attributes }) => {
      const place = kind === SERVER ? attributes['url.path'] : attributes['url.full']
      return kind === wanted && String(place).endsWith(path)
    })
  t.match(of('/refused', SERVER), {
    status: { code: ERROR },
    attributes: { 'http.response.status_code': 502, 'error.type': 'credential_rejected' },
  })
  t.equal(of('/refused', CLIENT), undefined, 'the API was not called')
  t.match(
    spans().find(({ name, status }) => name === 'token request' && status.code === ERROR),
    { attributes: { 'http.response.status_code': 400, 'error.type': 'rejected' } },
  )
  t.match(of('/replayed', CLIENT), { attributes: { 'http.request.resend_count': 1 } })
  t.match(of('/missing', SERVER), { status: { code: 0 } })
  t.match(of('/missing', CLIENT), { status: { code: ERROR }, attributes: { 'error.type': '404' } })
  t.match(of('/failed', SERVER), { status: { code: ERROR }, attributes: { 'error.type': '500' } })
})

t.test(
  'an API that is down is an error without a status; a caller that left has none',
  async (t) => {
    const { tracing, spans } = await record(t)
    const end = (result: Partial<TraceResult>) => {
      const trace = tracing.open('GET', undefined, '/x')
      trace.forward('https://api.example', '/v1/x')
      const nothing = { status: undefined, failure: undefined, token: undefined }
      trace.end({ ...nothing, ids: IDS, ...result })
    }
    end({ status: 502, failure: 'upstream_dns' })
    end({})
    await tracing.stop()
    const clients = spans().filter(({ kind }) => kind === CLIENT)
    t.match(clients, [
      { attributes: { 'error.type': 'upstream_dns', 'server.port': 443 } },
      { attributes: { 'error.type': 'caller_gone' } },
    ])
    t.ok(clients.every(({ attributes }) => !('http.response.status_code' in attributes)))
    const plainHttp = tracing.open('GET', undefined, '/x')
    t.type(plainHttp.forward('http://api.example', '/x'), 'string')
  },
)

t.test('nothing is loaded unless the environment asks for it', async (t) => {
  const options = { version: '1', clock: systemClock, onProblem: () => {} }
  const load = () => t.fail('loaded') as never
  for (const environment of [
    {},
    { OTEL_EXPORTER_OTLP_ENDPOINT: '' },
    { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1', OTEL_SDK_DISABLED: 'true' },
  ]) {
    t.equal(await loadTracing({ ...options, environment }, load), noTracing)
  }
})

t.test('without the packages the proxy works all the same, and says so', async (t) => {
  const problems: string[] = []
  const tracing = await loadTracing(
    {
      environment: { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://127.0.0.1:1' },
      version: '1',
      clock: systemClock,
      onProblem: (reason) => problems.push(reason),
    },
    () => Promise.reject(new Error('ERR_MODULE_NOT_FOUND')),
  )
  t.equal(tracing, noTracing)
  t.same(problems, ['the OpenTelemetry packages cannot be loaded'])
})

t.test('a receiver that refuses or hangs is told of, and holds up nothing', async (t) => {
  const open = async (url: string, clock = systemClock) => {
    // The exporter tries again until its own limit, and keeps the process of this test up.
    const environment = { OTEL_EXPORTER_OTLP_ENDPOINT: url, OTEL_EXPORTER_OTLP_TIMEOUT: '100' }
    setEnvironment(t, environment)
    const problems: string[] = []
    const tracing = await loadTracing({
      environment,
      version: '1',
      clock,
      onProblem: (reason) => problems.push(reason),
    })
    const trace = tracing.open('GET', undefined, '/x')
    trace.end({
      status: 200,
      failure: undefined,
      token: undefined,
      ids: IDS,
    })
    return { tracing, problems }
  }
  const refusing = await startServer(t, (_request, response) => {
    response.writeHead(403).end('canary')
  })
  const refused = await open(refusing.url)
  await refused.tracing.stop()
  t.same(refused.problems, ['no delivery (status 403)'])

  const hanging = await startStreamingServer(t, () => {})
  const clock = new ManualClock()
  const { tracing } = await open(hanging.url, clock)
  const stopped = tracing.stop()
  await clock.advance(2_000)
  await t.resolves(stopped)
})
