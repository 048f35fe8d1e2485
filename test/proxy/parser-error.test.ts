/** Bytes that are no request: Node answers in its own words, or in the middle of another answer. */
import t, { type Test } from 'tap'
import { once } from 'node:events'
import net, { type Socket } from 'node:net'
import { exchange, exchangePolitely } from '../fixtures/http-client.ts'
import { startProxy } from '../fixtures/proxy.ts'
import { startRawServer, startServer } from '../fixtures/recording-server.ts'

t.test('what is no HTTP is refused in the error form of OData', async (t) => {
  const api = await startServer(t, (_request, response) => response.end('{}'))
  const { port } = await startProxy(t, { api: api.url })
  const huge = `x: ${'x'.repeat(70_000)}\r\n`
  const cases: readonly [string, string, RegExp][] = [
    ['noise', 'SSH-2.0-OpenSSH_9.9\r\n\r\n', /^HTTP\/1\.1 400 /],
    ['a bare line feed', 'GET / HTTP/1.1\nhost: x\n\n', /^HTTP\/1\.1 400 /],
    [
      'a smuggled length',
      'GET / HTTP/1.1\r\nhost: x\r\ncontent-length: +5\r\n\r\n',
      /^HTTP\/1\.1 400 /,
    ],
    ['too large a head', `GET / HTTP/1.1\r\nhost: x\r\n${huge}\r\n`, /^HTTP\/1\.1 431 /],
  ]
  for (const [name, bytes, status] of cases) {
    const answer = await exchange(port, bytes)
    t.match(answer, status, name)
    t.match(answer, /x-error-code: bad_request\r\n/, name)
    t.match(answer, /x-request-id: [\w-]{36}\r\n/, name)
    const body = answer.slice(answer.indexOf('\r\n\r\n') + 4)
    t.match(JSON.parse(body), { error: { code: 'bad_request', message: { lang: 'en' } } }, name)
  }
  t.equal(api.requests.length, 0)
})

/** What an API answers at the first bytes it gets; the rest of the answer is the test's business. */
const startHalfAnswering = async (t: Test) => {
  const connections: Socket[] = []
  const api = await startRawServer(t, (socket) => {
    connections.push(socket)
    socket.once('data', () =>
      socket.write('HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\nAAAAAAAAAA'),
    )
  })
  return { ...(await startProxy(t, { api: api.url })), connections }
}

t.test('what was asked before is answered first, whole', async (t) => {
  const { port, connections } = await startHalfAnswering(t)
  const socket = net.connect(port, '127.0.0.1')
  let received = ''
  socket.setEncoding('latin1').on('data', (chunk: string) => (received += chunk))
  socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\nno HTTP at all\r\n\r\n')
  while (!received.includes('AAAAAAAAAA')) await once(socket, 'data')
  socket.write('and even more of it')
  connections[0]?.write('BBBBBBBBBB')
  await once(socket, 'close')
  t.match(received, /\r\n\r\nA{10}B{10}HTTP\/1\.1 400 Bad Request\r\n/)
  t.equal(received.split('HTTP/1.1 400').length, 2, 'refused once')
})

t.test('a refusal is not lost to the broken body behind it', async (t) => {
  const api = await startServer(t, (_request, response) => response.end('{}'))
  const { port } = await startProxy(t, { api: api.url })
  const answer = await exchange(
    port,
    'TRACE / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\nff\n00',
  )
  t.match(answer, /^HTTP\/1\.1 405 [^]*}$/)
  t.equal(answer.split('HTTP/1.1').length, 2, 'refused once')
})

t.test('nothing is written into the answer to a body that turns out to be broken', async (t) => {
  const { port } = await startHalfAnswering(t)
  const socket = net.connect(port, '127.0.0.1')
  let received = ''
  socket.setEncoding('latin1').on('data', (chunk: string) => (received += chunk))
  socket.on('error', () => {})
  socket.write('POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n')
  while (!received.includes('AAAAAAAAAA')) await once(socket, 'data')
  socket.write('no chunk\r\n')
  await once(socket, 'close')
  t.match(received, /\r\n\r\nA{10}$/, 'the caller sees that the answer is cut')
})

t.test('a refusal reaches a caller that is still sending', async (t) => {
  const api = await startServer(t, (_request, response) => response.end('{}'))
  const { port } = await startProxy(t, { api: api.url })
  const socket = net.connect(port, '127.0.0.1')
  socket.write('no HTTP at all\r\n\r\n')
  await once(socket, 'data')
  socket.write(Buffer.alloc(100_000))
  socket.end(Buffer.alloc(1_000_000))
  await t.resolves(once(socket, 'close'), 'it is not reset')
})

t.test('a caller that does not go is cut off', async (t) => {
  const api = await startServer(t, (_request, response) => response.end('{}'))
  const { port } = await startProxy(t, { api: api.url })
  const socket = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  socket.on('error', () => {})
  socket.write('no HTTP at all\r\n\r\n')
  socket.resume()
  await once(socket, 'end')
  const sending = setInterval(() => socket.write('more'), 20)
  const cut = await new Promise((resolve) => socket.once('close', resolve))
  clearInterval(sending)
  t.ok(cut)
})

t.test('a broken body behind another request is refused in its turn', async (t) => {
  const api = await startServer(t, ({ url }, response) => response.end(url))
  const { port } = await startProxy(t, { api: api.url })
  const answer = await exchange(
    port,
    'GET /first HTTP/1.1\r\nhost: x\r\n\r\n' +
      'POST /second HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nno chunk\r\n',
  )
  t.match(answer, /^HTTP\/1\.1 200 OK\r\n[^]*\r\n\r\n\/firstHTTP\/1\.1 400 /)
  t.same(
    api.requests.map(({ url }) => url),
    ['/first'],
  )
})

t.test('an answer that is finished is no reason to hide the refusal', async (t) => {
  const api = await startServer(t, (_request, response) => response.end('{}'))
  const { port } = await startProxy(t, { api: api.url })
  const socket = net.connect(port, '127.0.0.1')
  let received = ''
  socket.setEncoding('latin1').on('data', (chunk: string) => (received += chunk))
  socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n')
  while (!received.endsWith('{}')) await once(socket, 'data')
  socket.write('no HTTP at all\r\n\r\n')
  await once(socket, 'close')
  t.match(received, /\{\}HTTP\/1\.1 400 Bad Request\r\n/)
})

t.test('a request that is refused before its answer has begun gets the refusal', async (t) => {
  const api = await startRawServer(t, () => {})
  const { port } = await startProxy(t, { api: api.url })
  const answer = await exchange(
    port,
    'POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nno chunk\r\n',
  )
  t.match(answer, /^HTTP\/1\.1 400 Bad Request\r\n/)
})

t.test('what Node would answer by itself is answered here', async (t) => {
  const api = await startServer(t, ({ body }, response) => response.end(body))
  const { port } = await startProxy(t, { api: api.url })
  const hostless = await exchangePolitely(port, 'GET / HTTP/1.1\r\nconnection: close\r\n\r\n')
  t.match(hostless, /^HTTP\/1\.1 400 [^]*x-error-code: bad_request\r\n/)
  const old = await exchange(port, 'GET / HTTP/1.0\r\n\r\n')
  t.match(old, /^HTTP\/1\.1 200 OK/, 'HTTP/1.0 needs no Host')
  const expecting =
    'GET / HTTP/1.1\r\nhost: x\r\nexpect: the-unexpected\r\nconnection: close\r\n\r\n'
  t.match(await exchange(port, expecting), /^HTTP\/1\.1 200 OK/)
})

t.test('a transfer coding that would be lost on the way is refused', async (t) => {
  const api = await startServer(t, ({ body }, response) => response.end(body))
  const { port } = await startProxy(t, { api: api.url })
  const answer = await exchangePolitely(
    port,
    'POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: gzip, chunked\r\nconnection: close\r\n\r\n0\r\n\r\n',
  )
  t.match(answer, /^HTTP\/1\.1 400 [^]*Transfer-Encoding/)
  t.equal(api.requests.length, 0)
})

t.test('7: framing fields behind a thousand others count', async (t) => {
  const api = await startServer(t, ({ body }, response) => response.end(body))
  const { port } = await startProxy(t, { api: api.url })
  const many = Array.from({ length: 1_500 }, (_, index) => `x-${index}: 1\r\n`).join('')
  const answer = await exchange(
    port,
    `POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n${many}content-length: 5\r\n\r\nhello`,
  )
  t.match(answer, /\r\n\r\nhello$/)
  t.equal(api.requests[0]?.headers['x-1499'], '1')
})
