/** Callers that stop moving hold no connection to the API for longer than SKP_IDLE_TIMEOUT. */
import t, { type Test } from 'tap'
import { once } from 'node:events'
import http from 'node:http'
import net from 'node:net'
import { watchIdle } from '../../src/proxy/caller-idle.ts'
import { call } from '../fixtures/http-client.ts'
import { startProxy } from '../fixtures/proxy.ts'
import { startRawServer, startStreamingServer } from '../fixtures/recording-server.ts'

const settings = { SKP_IDLE_TIMEOUT: '150ms', SKP_UPSTREAM_CONNECTIONS: '1' }

const startUpload = (t: Test, port: number, bytes: number) => {
  const socket = net.connect(port, '127.0.0.1')
  t.teardown(() => socket.destroy())
  socket.on('error', () => {})
  socket.write(`POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n${'x'.repeat(bytes)}`)
  return socket
}

t.test('a caller that stops sending is told so, and its place is free again', async (t) => {
  const api = await startStreamingServer(t, (request, response) => {
    if (request.method === 'GET') response.end('ok')
    else request.resume().on('error', () => {})
  })
  const { port } = await startProxy(t, { api: api.url, settings })
  const stalled = startUpload(t, port, 10)
  const [bytes] = (await once(stalled, 'data')) as [Buffer]
  t.match(bytes.toString(), /^HTTP\/1\.1 408 [^]*x-error-code: caller_timeout\r\n/)
  t.match(bytes.toString(), /SKP_IDLE_TIMEOUT=150ms/)
  t.equal((await call(port)).status, 200)
})

t.test('an API that takes no more of a body is the one to blame', async (t) => {
  const api = await startRawServer(t, (socket) => socket.pause())
  const { port } = await startProxy(t, { api: api.url, settings })
  const request = http.request({ port, host: '127.0.0.1', method: 'POST', agent: false })
  request.on('error', () => {})
  const chunk = Buffer.alloc(1024 * 1024)
  for (let sent = 0; sent < 20 && request.write(chunk); sent += 1);
  request.on('drain', () => request.write(chunk))
  const [response] = (await once(request, 'response')) as [http.IncomingMessage]
  t.equal(response.statusCode, 504)
  t.equal(response.headers['x-error-code'], 'upstream_timeout')
  response.destroy()
})

t.test('a caller that stops reading is cut off, and its place is free again', async (t) => {
  const chunk = Buffer.alloc(1024 * 1024)
  const api = await startStreamingServer(t, (request, response) => {
    if (request.url === '/small') return void response.end('ok')
    const write = (): void => {
      while (response.write(chunk));
      response.once('drain', write)
    }
    response.on('error', () => {})
    write()
  })
  const { port, log } = await startProxy(t, { api: api.url, settings })
  const request = http.get({ port, host: '127.0.0.1', path: '/large', agent: false })
  request.on('error', () => {})
  const [response] = (await once(request, 'response')) as [http.IncomingMessage]
  response.on('error', () => {})
  t.equal((await call(port, { path: '/small' })).status, 200)
  t.match(
    log.find(({ request: path }) => path === '/large'),
    { msg: 'GET /large not finished' },
  )
})

t.test('a caller that waits for a slow API is not idle', async (t) => {
  const api = await startStreamingServer(t, (_request, response) => {
    setTimeout(() => response.end('late'), 400)
  })
  const { port } = await startProxy(t, { api: api.url, settings })
  t.equal((await call(port)).body.toString(), 'late')
  const streamed = { method: 'POST', body: 'x', headers: { 'transfer-encoding': 'chunked' } }
  t.equal((await call(port, streamed)).body.toString(), 'late')
})

t.test('a caller that does not take the end of its answer is cut off, too', async (t) => {
  const verdicts: unknown[] = []
  const server = http.createServer((request, response) => {
    response.end(Buffer.alloc(50_000_000))
    watchIdle(request, response, 50, (verdict) => {
      verdicts.push(verdict)
      response.destroy()
    })
  })
  t.teardown(() => server.close())
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as net.AddressInfo
  const socket = net.connect(port, '127.0.0.1').pause()
  t.teardown(() => socket.destroy())
  socket.on('error', () => {})
  socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n')
  const [, response] = (await once(server, 'request')) as [unknown, http.ServerResponse]
  await once(response, 'close')
  t.same(verdicts, ['close'])
})
