import { type IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
import t from 'tap'
import { openRequestContext, requestIds } from '../../src/proxy/request-context.ts'
import { passTrace } from '../../src/tracing/trace-context.ts'

t.test('a context opens with ids, start and trace of its request, and nothing else', async (t) => {
  const request = new IncomingMessage(new Socket())
  request.method = 'PUT'
  request.url = '/Vendor'
  request.headers = {
    'x-request-id': 'request',
    'x-correlation-id': 'correlation',
    traceparent: 'given',
  }
  const trace = passTrace(undefined)
  const opened: unknown[] = []
  const context = openRequestContext(request, 12.5, (...facts) => {
    opened.push(...facts)
    return trace
  })
  t.strictSame(opened, ['PUT', 'given', '/Vendor'])
  t.equal(context.trace, trace)
  const noted = Object.entries(context).filter(([, value]) => value !== undefined)
  t.strictSame(Object.fromEntries(noted), {
    ids: { requestId: 'request', correlationId: 'correlation' },
    startedAt: 12.5,
    path: '',
    trace,
    responseBytes: 0,
  })
})

const UUID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/

t.test('a request without ids gets one of its own, new each time', async (t) => {
  const { requestId, correlationId } = requestIds({})
  t.match(requestId, UUID)
  t.equal(correlationId, requestId)
  t.not(requestIds({}).requestId, requestId)
})

const all: IncomingHttpHeaders = {
  'x-request-id': 'request',
  'x-vcap-request-id': 'vcap',
  'x-correlation-id': 'correlation',
  'x-correlationid': 'sap',
}

const PRECEDENCE: Record<string, [changed: object, requestId: string, correlationId: string]> = {
  'ids of its own fields': [{}, 'request', 'correlation'],
  'the id of the Cloud Foundry router': [{ 'x-request-id': undefined }, 'vcap', 'correlation'],
  'the correlation id as SAP spells it': [{ 'x-correlation-id': undefined }, 'request', 'sap'],
  'the request id as correlation id': [
    { 'x-correlation-id': undefined, 'x-correlationid': undefined },
    'request',
    'request',
  ],
}

for (const [title, [changed, requestId, correlationId]] of Object.entries(PRECEDENCE)) {
  t.test(`a request takes ${title}`, async (t) => {
    t.strictSame(requestIds({ ...all, ...changed }), { requestId, correlationId })
  })
}

t.test('ids of the usual alphabets are taken', async (t) => {
  for (const id of ['a', 'A-Z_09.:;=+/@', '4bf92f3577b34da6a3ce929d0e0e4736', 'a'.repeat(128)]) {
    t.match(requestIds({ 'x-request-id': id }), { requestId: id, correlationId: id })
  }
})

const ODD = {
  'an empty id': '',
  'a long id': 'a'.repeat(129),
  'an id with a line break': 'a\r\nset-cookie: b',
  'an id with a line break at its end': 'a\n',
  'an id with a blank': 'a b',
  'two ids in one field': 'a, b',
  'an id with a quote': 'a"b',
  'an id with markup': '<script>',
  'an id beyond ASCII': 'caf\u00e9',
}

for (const [title, id] of Object.entries(ODD)) {
  t.test(`${title} is replaced, not repeated`, async (t) => {
    t.match(requestIds({ 'x-request-id': id, 'x-correlation-id': id }).requestId, UUID)
    t.match(requestIds({ 'x-request-id': id, 'x-correlation-id': id }).correlationId, UUID)
  })
}
