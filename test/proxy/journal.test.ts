import { IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
import t from 'tap'
import { openJournal } from '../../src/proxy/journal.ts'
import { passTrace } from '../../src/tracing/trace-context.ts'

t.test('a journal opens with ids, start and trace of its request, and nothing else', async (t) => {
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
  const journal = openJournal(request, 12.5, (...facts) => {
    opened.push(...facts)
    return trace
  })
  t.strictSame(opened, ['PUT', 'given', '/Vendor'])
  t.equal(journal.trace, trace)
  const noted = Object.entries(journal).filter(([, value]) => value !== undefined)
  t.strictSame(Object.fromEntries(noted), {
    ids: { requestId: 'request', correlationId: 'correlation' },
    startedAt: 12.5,
    path: '',
    trace,
    responseBytes: 0,
  })
})
