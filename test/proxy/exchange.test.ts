import t, { type Test } from 'tap'
import { once } from 'node:events'
import http, { type IncomingMessage } from 'node:http'
import net, { type Socket } from 'node:net'
import { randomBytes } from 'node:crypto'
import { call, exchange } from '../fixtures/http-client.ts'
import { startProxy, TOKEN } from '../fixtures/proxy.ts'
import { startRawServer, startServer, startStreamingServer } from '../fixtures/recording-server.ts'

const echo = (t: Test) =>
  startServer(t, ({ body }, response) => {
    response.setHeader('content-type', 'application/octet-stream')
    response.end(body)
  })

t.test('forwards every method, MERGE of OData V2 included', async (t) => {
  const api = await echo(t)
  const { port } = await startProxy(t, { api: api.url })
  const methods = ['GET', 'POST', 'PUT', 'PATCH', 'MERGE', 'DELETE', 'OPTIONS', 'HEAD', 'QUERY']
  for (const method of methods.filter((name) => http.METHODS.includes(name))) {
    const answer = await call(port, { method, path: "/Vendor('1')" })
    t.equal(answer.status, 200, method)
    t.match(api.requests.at(-1), { method, url: "/Vendor('1')" })
  }
})

t.test('refuses TRACE, which would show the token to the caller', async (t) => {
  const api = await echo(t)
  const { port } = await startProxy(t, { api: api.url })
  const answer = await call(port, { method: 'TRACE' })
  t.equal(answer.status, 405)
  t.equal(answer.headers['x-error-code'], 'not_allowed')
  t.match(answer.headers.allow, /GET.*MERGE/)
  t.equal(api.requests.length, 0)
})

t.test('passes bodies of known and of unknown length', async (t) => {
  const api = await echo(t)
  const { port } = await startProxy(t, { api: api.url })
  const body = randomBytes(300_000)
  const known = await call(port, {
    method: 'POST',
    body,
    headers: { 'content-length': body.length },
  })
  t.ok(known.body.equals(body))
  t.equal(api.requests[0]?.headers['content-length'], '300000')
  const unknown = await call(port, {
    method: 'PUT',
    body,
    headers: { 'transfer-encoding': 'chunked' },
  })
  t.ok(unknown.body.equals(body))
  t.equal(api.requests[1]?.headers['content-length'], undefined)
  const get = await call(port, { method: 'GET', body: 'x', headers: { 'content-length': 1 } })
  t.equal(get.body.toString(), 'x', 'a GET may have a body too')
  await call(port, { method: 'POST', headers: { 'content-length': 0 } })
  t.equal(api.requests.at(-1)?.headers['content-length'], '0')
})

t.test('passes answers on unchanged', async (t) => {
  const fields = [
    ['Content-Type', 'application/json;charset=utf-8'],
    ['Set-Cookie', 'a=1'],
    ['Set-Cookie', 'b=2'],
    ['ETag', 'W/"1"'],
    ['X-Latin', 'caf\u00e9'],
    ['Content-Length', '7'],
  ]
  const api = await startServer(t, (_request, response) => {
    response.writeHead(418, 'Short And Stout', fields.flat())
    response.end(Buffer.from('{"d":1}'))
  })
  const { port } = await startProxy(t, { api: api.url })
  const answer = await exchange(port, 'GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n')
  t.match(answer, /^HTTP\/1\.1 418 Short And Stout\r\n/)
  for (const [name, value] of fields) t.ok(answer.includes(`${name}: ${value}\r\n`), String(name))
  t.match(answer, /\r\n\r\n\{"d":1\}$/)
})

t.test('passes answers without a body', async (t) => {
  const api = await startServer(t, ({ url }, response) => {
    response.writeHead(Number(url.slice(1)), { etag: '"1"' }).end()
  })
  const { port } = await startProxy(t, { api: api.url })
  for (const status of [204, 304]) {
    const answer = await call(port, { path: `/${status}` })
    t.match(answer, { status, headers: { etag: '"1"' } })
    t.equal(answer.body.length, 0)
  }
  const head = await call(port, { method: 'HEAD', path: '/200' })
  t.equal(head.status, 200)
})

t.test('passes over interim answers', async (t) => {
  const api = await startRawServer(t, (socket) => {
    socket.once('data', () =>
      socket.end(
        'HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n' +
          'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok',
      ),
    )
  })
  const { port } = await startProxy(t, { api: api.url })
  t.equal((await call(port)).body.toString(), 'ok')
})

t.test('adds ids to both sides', async (t) => {
  const api = await echo(t)
  const { port, log } = await startProxy(t, { api: api.url })
  await call(port)
  const answer = await call(port, { headers: { 'x-correlationid': 'c-1', 'x-request-id': 'r-1' } })
  t.equal(answer.headers['x-request-id'], 'r-1')
  t.equal(answer.headers['x-correlation-id'], 'c-1')
  t.match(api.requests[1]?.headers, {
    'x-correlation-id': 'c-1',
    'x-correlationid': 'c-1',
    'user-agent': 'service-key-proxy/test',
    authorization: `Bearer ${TOKEN}`,
  })
  const line = log.find(({ request_id: id }) => id === 'r-1')
  t.match(line, { request_id: 'r-1', correlation_id: 'c-1', token: 'cached' })
})

t.test('keeps the ids that the API answers with', async (t) => {
  const api = await startServer(t, (_request, response) => {
    response.writeHead(200, { 'x-request-id': 'api', 'x-correlation-id': 'api' }).end()
  })
  const { port } = await startProxy(t, { api: api.url })
  const answer = await call(port)
  t.equal(answer.headers['x-request-id'], 'api')
  t.equal(answer.headers['x-correlation-id'], 'api')
})

t.test('an early answer reaches a caller that is still sending', async (t) => {
  const api = await startStreamingServer(t, (_request, response) => {
    response.writeHead(413).end('too large')
  })
  const { port } = await startProxy(t, { api: api.url })
  const answer = await call(port, { method: 'POST', body: Buffer.alloc(5 * 1024 * 1024) })
  t.equal(answer.status, 413)
})

t.test('an answer of the proxy reaches a caller that is still sending', async (t) => {
  const api = await echo(t)
  await api.close()
  const { port } = await startProxy(t, { api: api.url })
  const answer = await call(port, { method: 'POST', body: Buffer.alloc(5 * 1024 * 1024) })
  t.equal(answer.headers['x-error-code'], 'upstream_connect')
})

t.test('a caller that goes on sending after a refusal keeps its connection', async (t) => {
  const api = await echo(t)
  await api.close()
  const { port } = await startProxy(t, { api: api.url })
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
  t.teardown(() => agent.destroy())
  const sockets: unknown[] = []
  for (const body of [Buffer.alloc(5 * 1024 * 1024), 'small']) {
    const free = once(agent, 'free')
    const { headers } = await call(port, { method: 'POST', body, agent })
    t.equal(headers['x-error-code'], 'upstream_connect')
    sockets.push((await free)[0])
  }
  t.equal(sockets[0], sockets[1])
})

t.test('a refusal is not lost to a caller that asked to close and goes on sending', async (t) => {
  const api = await echo(t)
  const { port } = await startProxy(t, { api: api.url })
  const caller = net.connect(port, '127.0.0.1')
  caller.write(
    'POST /%2e%2e/x HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 30\r\n\r\n',
  )
  await once(caller, 'readable')
  // The second write would meet a connection that was reset by the first.
  for (let i = 0; i < 3; i++) {
    caller.write('ten bytes.')
    for (let turns = 0; turns < 20; turns++) await new Promise(setImmediate)
  }
  t.match(String(caller.read()), /^HTTP\/1\.1 400 [^]*connection: close[^]*}$/i)
  await once(caller.resume(), 'close')
})

t.test('cuts off a caller that never finishes its refused body', async (t) => {
  const api = await echo(t)
  const { port } = await startProxy(t, { api: api.url })
  const answer = await exchange(
    port,
    'POST /%2e%2e/x HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nnever',
  )
  t.match(answer, /^HTTP\/1\.1 400 /)
})

t.test('a caller that leaves while sending ends the request to the API', async (t) => {
  let aborted: Promise<unknown> | undefined
  const api = await startStreamingServer(t, (request) => {
    request.resume()
    request.on('error', () => {})
    aborted = new Promise((resolve) => request.once('close', resolve))
    caller.destroy()
  })
  const { port } = await startProxy(t, { api: api.url })
  const caller = http.request({ port, host: '127.0.0.1', method: 'POST', agent: false })
  const gone = new Promise((resolve) => caller.once('error', resolve))
  caller.write('part')
  await gone
  while (aborted === undefined) await new Promise(setImmediate)
  await aborted
})

t.test('a caller that leaves while it queues for a connection causes no request', async (t) => {
  const seen: (string | undefined)[] = []
  let first: http.ServerResponse | undefined
  const api = await startStreamingServer(t, (request, response) => {
    seen.push(request.url)
    if (request.url === '/first') first = response
    else response.end('ok')
  })
  const { port, log } = await startProxy(t, {
    api: api.url,
    settings: { SKP_UPSTREAM_CONNECTIONS: '1' },
  })
  const blocking = call(port, { path: '/first' })
  while (first === undefined) await new Promise(setImmediate)
  const queued = http.get({ port, host: '127.0.0.1', path: '/queued', agent: false })
  queued.on('error', () => {})
  await once(queued, 'finish')
  for (let turn = 0; turn < 100; turn += 1) await new Promise(setImmediate)
  queued.destroy()
  while (log.every(({ request }) => request !== '/queued')) await new Promise(setImmediate)
  first.end('done')
  t.equal((await blocking).body.toString(), 'done')
  t.equal((await call(port, { path: '/last' })).status, 200)
  t.same(seen, ['/first', '/last'])
})

t.test('a body that pauses longer than SKP_IDLE_TIMEOUT is cut', async (t) => {
  const api = await startRawServer(t, (socket) => {
    socket.once('data', () => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\npart'))
  })
  const { port } = await startProxy(t, { api: api.url, settings: { SKP_IDLE_TIMEOUT: '50ms' } })
  await t.rejects(call(port), { code: 'ECONNRESET' })
})

t.test('large bodies arrive whole in both directions', async (t) => {
  const api = await echo(t)
  const { port } = await startProxy(t, { api: api.url })
  const body = randomBytes(16 * 1024 * 1024)
  const headers = { 'transfer-encoding': 'chunked' }
  t.ok((await call(port, { method: 'POST', body, headers })).body.equals(body))
})

t.test('a slow reader slows the API down instead of filling memory', async (t) => {
  let written = 0
  const chunk = randomBytes(64 * 1024)
  const api = await startStreamingServer(t, (_request, response) => {
    const write = (): void => {
      while (!response.destroyed) {
        written += chunk.length
        if (!response.write(chunk)) return void response.once('drain', write)
      }
    }
    write()
  })
  const { port } = await startProxy(t, { api: api.url })
  const request = http.get({ port, host: '127.0.0.1', agent: false })
  const [response] = (await once(request, 'response')) as [http.IncomingMessage]
  let before = -1
  // The endless answer stalls once the buffers between here and there are full.
  while (written > before) {
    before = written
    await new Promise((resolve) => {
      setTimeout(resolve, 100)
    })
  }
  t.ok(written < 32 * 1024 * 1024, `${written} bytes under way`)
  response.destroy()
})

t.test('a body that comes slowly, but comes, is passed on whole', async (t) => {
  const api = await startStreamingServer(t, (_request, response) => {
    let sent = 0
    const timer = setInterval(() => {
      sent += 1
      response.write('x')
      if (sent === 12) response.end()
    }, 50)
    response.once('close', () => clearInterval(timer))
  })
  const settings = { SKP_IDLE_TIMEOUT: '300ms', SKP_RESPONSE_TIMEOUT: '300ms' }
  const { port } = await startProxy(t, { api: api.url, settings })
  t.equal((await call(port)).body.toString(), 'x'.repeat(12))
})

/** How an API ends the connection of an upload that it does not want, once it has said so. */
const ENDINGS: Record<string, (socket: Socket) => void> = {
  closes: (socket) => void socket.end(),
  'closes both ways': (socket) => void socket.destroy(),
  resets: (socket) => void socket.resetAndDestroy(),
}

const REFUSALS = {
  'with a length': 'connection: close\r\ncontent-length: 5\r\n\r\nlarge',
  'with a length on a kept connection': 'content-length: 5\r\n\r\nlarge',
  'without a length': 'connection: close\r\n\r\nlarge',
  'in chunks': 'transfer-encoding: chunked\r\n\r\n5\r\nlarge\r\n0\r\n\r\n',
}

for (const [how, end] of Object.entries(ENDINGS)) {
  t.test(`an API that answers in the middle of an upload and ${how} is heard`, async (t) => {
    let refusal = ''
    const api = await startRawServer(t, (socket) => {
      socket.once('data', () => {
        // What else is sent stays unread, so that the connection is reset.
        socket.pause().write(`HTTP/1.1 413 Too Large\r\n${refusal}`, () => end(socket))
      })
    })
    const { port } = await startProxy(t, { api: api.url })
    for (const [what, text] of Object.entries(REFUSALS)) {
      refusal = text
      const upload = http.request({ port, host: '127.0.0.1', method: 'POST', agent: false })
      upload.on('error', () => {})
      const answered = once(upload, 'response') as Promise<[IncomingMessage]>
      const write = (): void => {
        while (!upload.destroyed && upload.write(UPLOADED));
      }
      upload.on('drain', write)
      write()
      const [answer] = await answered
      t.equal(answer.statusCode, 413, what)
      const [body] = (await once(answer, 'data')) as [Buffer]
      t.equal(body.toString(), 'large', what)
      upload.destroy()
    }
  })
}

const UPLOADED = Buffer.alloc(16 * 1024)

t.test('an API that closes in the middle of an upload without a word is a code', async (t) => {
  const api = await startRawServer(t, (socket) => {
    socket.once('data', () => void socket.pause().destroy())
  })
  const { port } = await startProxy(t, { api: api.url })
  const body = Buffer.alloc(4 * 1024 * 1024)
  const answer = await call(port, { method: 'POST', body })
  t.match(answer, { status: 502, headers: { 'x-error-code': 'upstream_reset' } })
})
