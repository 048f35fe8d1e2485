import t from 'tap'
import http from 'node:http'
import { discardBody } from '../../src/proxy/failure-response.ts'
import { call, exchange } from '../fixtures/http-client.ts'
import { startProxy } from '../fixtures/proxy.ts'

t.test('a request whose stream Node spared is not waited for', async (t) => {
  const waits: boolean[] = []
  const server = http.createServer({ optimizeEmptyRequests: true }, (request, response) => {
    const listeners = request.listenerCount('close')
    discardBody(request)
    // An older Node spares nothing.
    waits.push(request.listenerCount('close') > listeners && request.readableEnded)
    response.end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  await call((server.address() as { port: number }).port)
  t.same(waits, [false])
})

t.test('a refusal that closes the connection of a bodyless request is whole', async (t) => {
  const { port } = await startProxy(t, { api: 'http://127.0.0.1:1' })
  const head = 'GET /a/../b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'
  t.match(await exchange(port, head), /^HTTP\/1\.1 400 .*\r\n\r\n\{"error":.*\}$/s)
})

t.test('a guarded $batch without a body is answered', async (t) => {
  const { port } = await startProxy(t, {
    api: 'http://127.0.0.1:1',
    settings: { SKP_ACCESS: 'read-only' },
  })
  const head = 'POST /$batch HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/mixed; boundary=b\r\n'
  t.match(await exchange(port, `${head}Connection: close\r\n\r\n`), /^HTTP\/1\.1 [45]\d\d /)
})
