import { once } from 'node:events'
import http from 'node:http'
import t from 'tap'
import { call } from '../fixtures/http-client.ts'
import { startProxy } from '../fixtures/proxy.ts'
import { startRawServer, startStreamingServer } from '../fixtures/recording-server.ts'

t.test('a caller sees the head before the body has begun', async (t) => {
  let finish: (() => void) | undefined
  const api = await startStreamingServer(t, (_request, response) => {
    response.writeHead(200, { 'x-early': 'yes' }).flushHeaders()
    finish = () => response.end('late')
  })
  const { port } = await startProxy(t, { api: api.url })
  const request = http.get({ port, host: '127.0.0.1', agent: false })
  const [response] = (await once(request, 'response')) as [http.IncomingMessage]
  t.equal(response.headers['x-early'], 'yes')
  finish?.()
  const [body] = (await once(response, 'data')) as [Buffer]
  t.equal(body.toString(), 'late')
})

t.test(
  'an answer that is broken from its first byte on becomes an error with a code',
  async (t) => {
    const api = await startRawServer(t, (socket) => {
      socket.once('data', () =>
        socket.end('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nno chunk\r\n'),
      )
    })
    const { port } = await startProxy(t, { api: api.url })
    t.match(await call(port), { status: 502, headers: { 'x-error-code': 'upstream_reset' } })
  },
)

t.test('bytes stay bytes, whether they go out with the head or after it', async (t) => {
  const api = await startRawServer(t, (socket) => {
    socket.on('data', (request) => {
      const length = Number(/\/(\d+)/.exec(request.toString())?.[1])
      const body = Buffer.from(Array.from({ length }, (_, i) => i % 256))
      socket.write(
        Buffer.concat([Buffer.from(`HTTP/1.1 200 OK\r\ncontent-length: ${length}\r\n\r\n`), body]),
      )
    })
  })
  const { port } = await startProxy(t, { api: api.url })
  for (const length of [0, 1, 256, 12 * 1024, 12 * 1024 + 1, 40_000]) {
    const { body } = await call(port, { path: `/${length}` })
    t.equal(body.length, length)
    t.ok(body.every((byte, i) => byte === i % 256))
  }
})

t.test('a 304 may say how long the body is that it does not have', async (t) => {
  const api = await startRawServer(t, (socket) => {
    socket.on('data', () =>
      socket.write('HTTP/1.1 304 Not Modified\r\netag: "1"\r\ncontent-length: 123\r\n\r\n'),
    )
  })
  const { port } = await startProxy(t, { api: api.url })
  for (let i = 0; i < 3; i += 1) {
    t.match(await call(port), { status: 304, headers: { etag: '"1"', 'content-length': '123' } })
  }
})
