/**
 * Whoever is slow, silent or endless is given up in a stated time, with a stated status, and holds
 * no place afterwards: there is one place in each of these tests.
 */
import t, { type Test } from 'tap'
import { once } from 'node:events'
import net, { type AddressInfo, type Socket } from 'node:net'
import { createDataServer } from '../../src/proxy/server.ts'
import { passTrace } from '../../src/tracing/trace-context.ts'
import { call, exchange } from '../fixtures/http-client.ts'
import { freePort } from '../fixtures/free-port.ts'
import { startProgram } from '../fixtures/program.ts'
import { startProxy, startTokenServer } from '../fixtures/proxy.ts'
import { boundKey } from '../fixtures/proxy-process.ts'
import { startRawServer, startServer } from '../fixtures/recording-server.ts'

const HEAD_TIMEOUT_MS = 100

const startHeads = async (t: Test) => {
  const { app } = createDataServer({
    maxHeaderSize: 8192,
    headTimeout: HEAD_TIMEOUT_MS,
    openTrace: () => passTrace(undefined),
    onOpen() {},
    now: () => 0,
    onDone: () => {},
    onDefect: (error) => t.fail(String(error)),
  })
  app.get('/', () => 'ok')
  await app.listen({ port: 0, host: '127.0.0.1' })
  t.teardown(() => app.close())
  return (app.server.address() as AddressInfo).port
}

const HEADS: Readonly<Record<string, (socket: Socket) => void>> = {
  'that never begins': () => {},
  'that stops in its middle': (socket) => socket.write('GET / HTTP/1.1\r\nhost:'),
  'that goes on for ever (slowloris)': (socket) => {
    socket.write('GET / HTTP/1.1\r\nhost: x\r\n')
    const drip = setInterval(() => socket.write('x-a: b\r\n'), 10)
    socket.once('close', () => clearInterval(drip))
  },
  'that stops after a whole request': (socket) =>
    socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\nGET / HTTP/1.1\r\n'),
}

for (const [title, begin] of Object.entries(HEADS)) {
  t.test(`a head ${title} ends with 408 at its time`, async (t) => {
    const port = await startHeads(t)
    const startedAt = performance.now()
    const socket = net.connect(port, '127.0.0.1')
    socket.on('error', () => {})
    let received = ''
    socket.setEncoding('latin1').on('data', (chunk: string) => (received += chunk))
    begin(socket)
    await once(socket, 'close')
    t.match(received, /HTTP\/1\.1 408 Request Timeout\r\n[^]*x-error-code: bad_request\r\n/)
    t.ok(performance.now() - startedAt >= HEAD_TIMEOUT_MS)
    t.equal((await call(port)).status, 200, 'the next request works')
  })
}

const NEXT = { path: '/next' }
const ONE_PLACE = { SKP_MAX_IN_FLIGHT: '1', SKP_UPSTREAM_CONNECTIONS: '1' }

/** An API that treats its first connection badly, and all later ones well. */
const startBadOnce = async (
  t: Test,
  treat: (socket: Socket) => void,
  settings: Readonly<Record<string, string>> = {},
) => {
  let connections = 0
  const api = await startRawServer(t, (socket) => {
    const isFirst = connections === 0
    connections += 1
    socket.on('data', (bytes: Buffer) => {
      if (isFirst && !bytes.includes('GET /next ')) treat(socket)
      else socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok')
    })
  })
  return (await startProxy(t, { api: api.url, settings: { ...ONE_PLACE, ...settings } })).port
}

t.test('a body that stops is given up at SKP_IDLE_TIMEOUT, however short it is', async (t) => {
  for (const body of [
    'content-length: 10\r\n\r\nab',
    'content-length: 100000\r\n\r\nab',
    'transfer-encoding: chunked\r\n\r\n5\r\nab',
  ]) {
    const port = await startBadOnce(t, () => {}, { SKP_IDLE_TIMEOUT: '100ms' })
    const socket = net.connect(port, '127.0.0.1')
    t.teardown(() => socket.destroy())
    socket.write(`POST / HTTP/1.1\r\nhost: x\r\n${body}`)
    const [answer] = (await once(socket, 'data')) as [Buffer]
    t.match(
      answer.toString(),
      /^HTTP\/1\.1 408 [^]*x-error-code: caller_timeout\r\n[^]*SKP_IDLE_TIMEOUT=100ms/,
      body,
    )
    t.equal((await call(port, NEXT)).status, 200, 'the next request works')
  }
})

const TIME = { SKP_RESPONSE_TIMEOUT: '150ms', SKP_IDLE_TIMEOUT: '150ms' }
const repeat = (socket: Socket, bytes: string): void => {
  const drip = setInterval(() => socket.write(bytes), 10)
  socket.once('close', () => clearInterval(drip))
}

const APIS: Readonly<Record<string, readonly [status: RegExp, treat: (socket: Socket) => void]>> = {
  'never answers': [/^HTTP\/1\.1 504 [^]*upstream_timeout[^]*SKP_RESPONSE_TIMEOUT=150ms/, () => {}],
  'never ends its head': [
    /^HTTP\/1\.1 504 [^]*upstream_timeout[^]*SKP_RESPONSE_TIMEOUT=150ms/,
    (socket) => {
      socket.write('HTTP/1.1 200 OK\r\n')
      repeat(socket, 'x-a: b\r\n')
    },
  ],
  'sends a head above SKP_MAX_HEADER_SIZE': [
    /^HTTP\/1\.1 502 [^]*upstream_reset/,
    (socket) => {
      socket.write('HTTP/1.1 200 OK\r\n')
      repeat(socket, `x-a: ${'b'.repeat(10_000)}\r\n`)
    },
  ],
  'never comes to its answer': [
    /^HTTP\/1\.1 502 [^]*upstream_reset/,
    (socket) => repeat(socket, 'HTTP/1.1 103 Early Hints\r\n\r\n'.repeat(20)),
  ],
  'never ends its body': [
    /^HTTP\/1\.1 200 OK\r\n[^]*\r\n\r\nab$/,
    (socket) => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nab'),
  ],
}

t.test('a caller that leaves with pipelined requests behind frees the places of all', async (t) => {
  const held: Socket[] = []
  const api = await startRawServer(t, (socket) =>
    socket.on('data', (bytes: Buffer) => {
      if (bytes.includes('GET /next ')) socket.write('HTTP/1.1 204 No Content\r\n\r\n')
      else held.push(socket)
    }),
  )
  const settings = { SKP_MAX_IN_FLIGHT: '3', SKP_UPSTREAM_CONNECTIONS: '3' }
  const { port } = await startProxy(t, { api: api.url, settings })
  const caller = net.connect(port, '127.0.0.1')
  caller.write('GET / HTTP/1.1\r\nhost: localhost\r\n\r\n'.repeat(3))
  while (held.length < 3) await new Promise(setImmediate)
  const given = held.map((socket) => once(socket, 'close'))
  caller.destroy()
  await Promise.all(given)
  const next = await Promise.all([call(port, NEXT), call(port, NEXT), call(port, NEXT)])
  t.same(
    next.map(({ status }) => status),
    [204, 204, 204],
  )
})

/** Connects until the program has no descriptor left for one more, and closes it at once. */
const exhaust = async (t: Test, port: number): Promise<Socket> => {
  const first = net.connect(port, '127.0.0.1')
  const sockets = [first]
  t.teardown(() => sockets.forEach((socket) => socket.destroy()))
  await once(first, 'connect')
  for (let isFull = false; !isFull;) {
    const socket = net.connect(port, '127.0.0.1').on('error', () => {})
    sockets.push(socket)
    const isClosed = new Promise<boolean>((resolve) => {
      socket.once('close', () => resolve(true)).once('data', () => resolve(false))
    })
    // Who is let in is answered.
    socket.write('GET /-/live HTTP/1.1\r\nhost: x\r\n\r\n')
    isFull = await isClosed
  }
  return first
}

t.test(
  'without a file descriptor for a connection it is the proxy that is overloaded',
  async (t) => {
    const api = await startServer(t, (_request, response) => response.end('ok'))
    const tokens = await startTokenServer(t)
    const port = await freePort()
    const settings = {
      ...boundKey({ entities: api.url, clientid: 'c', clientsecret: 's', url: tokens.url }),
      SKP_PORT: String(port),
    }
    const { logged } = startProgram(t, [], settings, 'built', 100)
    await logged('token obtained')
    const caller = await exhaust(t, port)
    caller.write('GET / HTTP/1.1\r\nhost: localhost\r\n\r\n')
    const [answer] = (await once(caller, 'data')) as [Buffer]
    t.match(
      answer.toString(),
      /^HTTP\/1\.1 503 [^]*x-error-code: overloaded\r\n[^]*retry-after: 1\r\n[^]*file descriptor/,
    )
    const reason = /no file descriptor is left/
    t.match(await logged('the exchange with the API failed'), {
      code: 'EMFILE',
      level: 'warn',
      reason,
    })
    t.equal(api.requests.length, 0)
  },
)

t.test('an API is given up, and its connection with it, that', async (t) => {
  const request = 'GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n'
  const treatments = Object.entries(APIS).map(async ([title, [expected, treat]]) => {
    const port = await startBadOnce(t, treat, TIME)
    t.match(await exchange(port, request).catch(String), expected, title)
    t.equal((await call(port, NEXT)).status, 200, 'the next request works')
  })
  await Promise.all(treatments)
})
