import { IncomingMessage, ServerResponse, type IncomingHttpHeaders } from 'node:http'
import { Socket } from 'node:net'
import { Writable } from 'node:stream'
import t from 'tap'
import { accessLog, type AccessLogOptions } from '../../src/logging/access-log.ts'
import { createLogger } from '../../src/logging/logger.ts'
import type { RequestContext } from '../../src/proxy/request-context.ts'
import { passTrace } from '../../src/tracing/trace-context.ts'

const CONTEXT: RequestContext = {
  ids: { requestId: 'request', correlationId: 'correlation' },
  path: '/Vendor',
  startedAt: 1_000,
  trace: passTrace('00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'),
  token: 'cached',
  responseBytes: 2_048,
}

interface Scene {
  /** `null`: the request has none. */
  readonly target?: string | null
  readonly context?: Partial<RequestContext>
  /** Status of the head that was sent, if one was. */
  readonly status?: number | undefined
  readonly finished?: boolean
  readonly headers?: IncomingHttpHeaders
  readonly options?: Partial<AccessLogOptions>
}

const requestFor = (target: string | null, headers: IncomingHttpHeaders) => {
  const socket = new Socket()
  Object.defineProperty(socket, 'remoteAddress', { value: '192.0.2.7' })
  const request = new IncomingMessage(socket)
  request.headers = headers
  request.method = 'GET'
  if (target === null) delete request.url
  else request.url = target
  return request
}

/** The record that is written about a request. */
const record = async (scene: Scene) => {
  const { target = '/Vendor', context, status, finished = true, headers = {}, options } = scene
  const lines: string[] = []
  const destination = new Writable({
    write(chunk, _encoding, done) {
      lines.push(String(chunk))
      done()
    },
  })
  const log = await createLogger({ level: 'debug', format: 'json', destination })
  const request = requestFor(target, headers)
  const response = new ServerResponse(request)
  if (status !== undefined) response.writeHead(status)
  Object.defineProperty(response, 'writableFinished', { value: finished })
  const { opened, done } = accessLog({ log, query: false, caller: false, ...options })
  opened(request)
  done(request, response, { ...CONTEXT, ...context }, 1_012.3456)
  t.equal(lines.length, 1)
  return JSON.parse(lines.join('')) as Record<string, unknown>
}

t.test('an answered request is one record with the field names of SAP', async (t) => {
  const headers = { 'content-length': '17' }
  const { written_at: _at, written_ts: _ts, ...fields } = await record({ status: 200, headers })
  t.strictSame(fields, {
    level: 'info',
    type: 'request',
    direction: 'IN',
    request_id: 'request',
    correlation_id: 'correlation',
    trace_id: '0af7651916cd43dd8448eb211c80319c',
    span_id: 'b7ad6b7169203331',
    method: 'GET',
    request: '/Vendor',
    request_size_b: 17,
    response_status: 200,
    response_time_ms: 12.3,
    response_size_b: 2048,
    token: 'cached',
    remote_ip: 'redacted',
    msg: 'GET /Vendor 200',
  })
})

t.test('the query is left out: filters carry personal data', async (t) => {
  const target = "/Vendor?$filter=Name%20eq%20'Ada'?x=Ada"
  const fields = await record({ target, status: 200, context: { path: target } })
  t.equal(fields['request'], '/Vendor')
  t.notMatch(JSON.stringify(fields), 'Ada')
})

t.test('the query is shown where it is asked for, in its own field only', async (t) => {
  const options = { query: true }
  const fields = await record({ target: '/Vendor?$top=5', status: 200, options })
  t.match(fields, { request: '/Vendor?$top=5', msg: 'GET /Vendor 200' })
  const absolute = await record({ target: 'http://user:canary@x/?y', status: 400, options })
  t.match(absolute, { request: '(no path)' })
  t.notMatch(JSON.stringify(absolute), 'canary')
})

t.test('where the caller sits is not shown, unless it is asked for', async (t) => {
  const headers = { 'x-forwarded-for': '198.51.100.9' }
  const hidden = await record({ status: 200, headers })
  t.match(hidden, { remote_ip: 'redacted', x_forwarded_for: 'redacted' })
  t.notMatch(JSON.stringify(hidden), /192\.0\.2\.7|198\.51\.100\.9/)
  t.match(await record({ status: 200, headers, options: { caller: true } }), {
    remote_ip: '192.0.2.7',
    x_forwarded_for: '198.51.100.9',
  })
  t.notOk('x_forwarded_for' in (await record({ status: 200, options: { caller: true } })))
})

t.test('a line that is below the level costs nothing', async (t) => {
  const lines: string[] = []
  const destination = { write: (line: string) => lines.push(line) }
  const log = await createLogger({ level: 'warn', format: 'json', destination })
  const request = requestFor('/Vendor', {})
  const { done } = accessLog({ log, query: false, caller: false })
  done(request, new ServerResponse(request), CONTEXT, 1_012)
  t.same(lines, [])
})

t.test('an answer of the API is information, whatever its status', async (t) => {
  t.match(await record({ status: 500 }), { level: 'info', response_status: 500 })
})

t.test('an answer of the proxy itself is a warning with its code', async (t) => {
  const context = { failure: 'upstream_timeout' } as const
  t.match(await record({ status: 504, context }), {
    level: 'warn',
    response_status: 504,
    error_code: 'upstream_timeout',
  })
})

t.test('a refused request says which rule refused it', async (t) => {
  const context = { failure: 'not_allowed', denied: 'origin' } as const
  t.match(await record({ status: 403, context }), { error_code: 'not_allowed', denied: 'origin' })
})

t.test('a probe is of interest to few', async (t) => {
  t.match(await record({ target: '/-/live', status: 200 }), { level: 'debug' })
  t.match(await record({ target: '/-x', status: 200 }), { level: 'info' })
})

t.test('an answer that broke off has the status that was sent', async (t) => {
  const fields = await record({ status: 200, finished: false })
  t.match(fields, { response_status: 200, msg: 'GET /Vendor not finished' })
})

t.test('a caller that left before any answer leaves no status', async (t) => {
  const fields = await record({ finished: false })
  t.notOk('response_status' in fields)
  t.match(fields, { msg: 'GET /Vendor not finished' })
})

t.test('a request that never had a target is recorded all the same', async (t) => {
  t.match(await record({ target: null, finished: false }), { level: 'info', request: '(no path)' })
})
