import { IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
import t from 'tap'
import { openJournal } from '../../src/proxy/journal.ts'

t.test('a journal opens with the ids and the start of its request, and nothing else', async (t) => {
  const request = new IncomingMessage(new Socket())
  request.headers = { 'x-request-id': 'request', 'x-correlation-id': 'correlation' }
  t.strictSame(openJournal(request, 12.5), {
    ids: { requestId: 'request', correlationId: 'correlation' },
    startedAt: 12.5,
    path: '',
  })
})
