import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { Writable } from 'node:stream'
import t from 'tap'
import { logAccess } from '../../src/logging/access-log.ts'
import { createLogger } from '../../src/logging/logger.ts'
import { Redactor } from '../../src/logging/redaction.ts'
import type { Journal } from '../../src/proxy/journal.ts'

const JOURNAL: Journal = {
  ids: { requestId: 'request', correlationId: 'correlation' },
  path: '/Vendor',
  startedAt: 1_000,
  token: 'cached',
}

interface Scene {
  /** `null`: the request has none. */
  readonly target?: string | null
  readonly journal?: Partial<Journal>
  /** Status of the head that was sent, if one was. */
  readonly status?: number | undefined
  readonly finished?: boolean
}

const requestFor = (target: string | null) => {
  const request = new IncomingMessage(new Socket())
  request.method = 'GET'
  if (target === null) delete request.url
  else request.url = target
  return request
}

/** The record that is written about a request. */
const record = async ({ target = '/Vendor', journal, status, finished = true }: Scene) => {
  const lines: string[] = []
  const destination = new Writable({
    write(chunk, _encoding, done) {
      lines.push(String(chunk))
      done()
    },
  })
  const redactor = new Redactor()
  const log = await createLogger({ level: 'debug', format: 'json', destination, redactor })
  const request = requestFor(target)
  const response = new ServerResponse(request)
  if (status !== undefined) response.writeHead(status)
  Object.defineProperty(response, 'writableFinished', { value: finished })
  logAccess(log, request, response, { ...JOURNAL, ...journal }, 1_012.3456)
  t.equal(lines.length, 1)
  return JSON.parse(lines.join('')) as Record<string, unknown>
}

t.test('an answered request is one record with the field names of SAP', async (t) => {
  const { written_at: _, ...fields } = await record({ status: 200 })
  t.strictSame(fields, {
    level: 'info',
    type: 'request',
    direction: 'IN',
    request_id: 'request',
    correlation_id: 'correlation',
    method: 'GET',
    request: '/Vendor',
    response_status: 200,
    response_time_ms: 12.3,
    token: 'cached',
    msg: 'GET /Vendor 200',
  })
})

t.test('the query is left out: filters carry personal data', async (t) => {
  const target = "/Vendor?$filter=Name%20eq%20'Ada'?x=Ada"
  const fields = await record({ target, status: 200, journal: { path: target } })
  t.equal(fields['request'], '/Vendor')
  t.notMatch(JSON.stringify(fields), 'Ada')
})

t.test('an answer of the API is information, whatever its status', async (t) => {
  t.match(await record({ status: 500 }), { level: 'info', response_status: 500 })
})

t.test('an answer of the proxy itself is a warning with its code', async (t) => {
  const journal = { failure: 'upstream_timeout' } as const
  t.match(await record({ status: 504, journal }), {
    level: 'warn',
    response_status: 504,
    error_code: 'upstream_timeout',
  })
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
