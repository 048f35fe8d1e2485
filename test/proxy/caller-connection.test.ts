import { EventEmitter, once } from 'node:events'
import http from 'node:http'
import net, { type AddressInfo, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { CallerConnections, watchIdle } from '../../src/proxy/caller-connection.ts'
import { call } from '../fixtures/http-client.ts'
import { startProxy } from '../fixtures/proxy.ts'
import { startRawServer, startStreamingServer } from '../fixtures/recording-server.ts'

t.test('closes what has no request in flight, and nothing else', async (t) => {
  let finish: (() => void) | undefined
  const server = http.createServer((request, response) => {
    connections.began(request.socket, response)
    if (request.url === '/slow') finish = () => response.end('done')
    else response.end('ok')
  })
  // It would close what is idle by itself.
  server.keepAliveTimeout = 0
  const connections = new CallerConnections(server)
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  t.teardown(() => server.close())
  const { port } = server.address() as AddressInfo
  const open = async (path: string | undefined) => {
    const socket = net.connect(port, '127.0.0.1')
    await once(socket, 'connect')
    if (path !== undefined) socket.write(`GET ${path} HTTP/1.1\r\nhost: x\r\n\r\n`)
    return socket
  }
  const silent = await open(undefined)
  const answered = await open('/fast')
  await once(answered, 'data')
  const busy = await open('/slow')
  while (finish === undefined) await new Promise(setImmediate)
  const closed = [silent, answered].map((socket) => once(socket.resume(), 'close'))
  connections.closeUnused()
  await Promise.all(closed)
  finish()
  const [bytes] = (await once(busy, 'data')) as [Buffer]
  t.match(bytes.toString(), /^HTTP\/1\.1 200 OK/)
  busy.destroy()
})

t.test(
  'a caller that leaves ends each of its requests once, those in the queue as well',
  async (t) => {
    const closed: string[] = []
    let seen = 0
    const server = http.createServer((request, response) => {
      seen += 1
      connections.began(request.socket, response)
      response.on('close', () => closed.push(request.url as string))
    })
    const connections = new CallerConnections(server)
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve)
    })
    t.teardown(() => server.close())
    const caller = net.connect((server.address() as AddressInfo).port, '127.0.0.1')
    const requests = ['/1', '/2', '/3'].map((path) => `GET ${path} HTTP/1.1\r\nhost: x\r\n\r\n`)
    caller.write(requests.join(''))
    const [accepted] = (await once(server, 'connection')) as [net.Socket]
    while (seen < 3) await new Promise(setImmediate)
    caller.destroy()
    await once(accepted, 'close')
    for (let turn = 0; turn < 5; turn += 1) await new Promise(setImmediate)
    t.same(closed.toSorted(), ['/1', '/2', '/3'])
  },
)

for (const [version, closed] of Object.entries({ 'Node 20': false, 'Node 24': true })) {
  t.test(`which ${version} by itself ${closed ? 'does' : 'does not'}`, async (t) => {
    const server = new EventEmitter()
    const connections = new CallerConnections(server as http.Server)
    const socket = new EventEmitter() as net.Socket
    server.emit('connection', socket)
    const queued = Object.assign(new EventEmitter(), { socket: null, closed: false, destroy() {} })
    connections.began(socket, queued as unknown as http.ServerResponse)
    let told = 0
    queued.on('close', () => (told += 1))
    socket.emit('close')
    queued.closed = closed
    await new Promise(setImmediate)
    t.equal(told, closed ? 0 : 1)
  })
}

const OK = 'HTTP/1.1 200 OK\r\nconnection: close\r\n'

/** A caller whose first request waits, while the answer to its second one has broken off. */
const start = async (t: Test) => {
  let first: Socket | undefined
  let broken: Promise<unknown> | undefined
  const api = await startRawServer(t, (socket) =>
    socket.on('data', (bytes: Buffer) => {
      if (bytes.includes('GET /1 ')) first = socket
      else {
        broken = once(socket, 'close')
        socket.end(`${OK}content-length: 20\r\n\r\npart`)
      }
    }),
  )
  const { port } = await startProxy(t, { api: api.url })
  const caller = net.connect(port, '127.0.0.1')
  caller.write('GET /1 HTTP/1.1\r\nhost: x\r\n\r\nGET /2 HTTP/1.1\r\nhost: x\r\n\r\n')
  let received = ''
  caller.setEncoding('latin1').on('data', (chunk: string) => (received += chunk))
  const closed = once(caller, 'close')
  while (first === undefined || broken === undefined) await new Promise(setImmediate)
  await broken
  const answerFirst = first
  return {
    caller,
    /** @returns all that the caller got until its connection was closed */
    finish: async (): Promise<string> => {
      answerFirst.end(`${OK}content-length: 5\r\n\r\nfirst`)
      await closed
      return received
    },
  }
}

t.test('an answer that breaks off before its turn ends the connection in its turn', async (t) => {
  const { finish } = await start(t)
  t.match(await finish(), /^HTTP\/1\.1 200 OK\r\n[^]*\r\n\r\nfirst$/)
})

t.test('what is refused behind it comes before no answer that is under way', async (t) => {
  const { caller, finish } = await start(t)
  caller.write('no request\r\n\r\n')
  t.match(await finish(), /^HTTP\/1\.1 200 OK\r\n[^]*\r\n\r\nfirst/)
})

/* Callers that stop moving hold no connection to the API for longer than SKP_IDLE_TIMEOUT. */

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
