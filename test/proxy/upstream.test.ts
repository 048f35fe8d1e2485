/** Pitfall 8: kept connections die under requests, and a second try must not become a second write. */
import http from 'node:http'
import type { Socket } from 'node:net'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import t, { type Test } from 'tap'
import { Client } from 'undici'
import { type Clock, systemClock } from '../../src/clock.ts'
import { systemCode } from '../../src/errors.ts'
import { type ConnectionAware, UpstreamPool, withTrustedHeaders } from '../../src/proxy/upstream.ts'
import { type Answer, call } from '../fixtures/http-client.ts'
import { ManualClock } from '../fixtures/manual-clock.ts'
import { startProxy } from '../fixtures/proxy.ts'
import { startRawServer, startServer } from '../fixtures/recording-server.ts'

/** Answers once per connection, then closes it when the next request arrives. */
const dyingApi = (t: Test, seen: string[]) =>
  startRawServer(t, (socket) => {
    let served = false
    socket.on('data', (bytes) => {
      seen.push(bytes.toString().split(' ', 1)[0] ?? '')
      if (served) {
        socket.destroy()
        return
      }
      served = true
      socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}')
    })
  })

const poolOfOne = (origin: string, clock: Clock = systemClock): UpstreamPool =>
  new UpstreamPool({
    origin,
    ca: undefined,
    proxy: undefined,
    connections: 1,
    clock,
    queueTimeout: 5_000,
    connectTimeout: 5_000,
    responseTimeout: 5_000,
    idleTimeout: 5_000,
    maxHeaderSize: 8_192,
  })

const answer = (socket: Socket): void =>
  void socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}')

t.test('a kept connection that dies under a GET costs nobody an error', async (t) => {
  const seen: string[] = []
  const api = await dyingApi(t, seen)
  const { port } = await startProxy(t, { api: api.url })
  for (let i = 0; i < 10; i += 1) t.equal((await call(port)).status, 200)
  t.equal(seen.length, 15, 'every second request met a dying connection and was repeated once')
})

t.test('a write on a dying connection is not sent twice', async (t) => {
  const seen: string[] = []
  const api = await dyingApi(t, seen)
  const { port } = await startProxy(t, { api: api.url })
  t.equal((await call(port)).status, 200)
  const answer = await call(port, { method: 'POST', body: '{}' })
  t.equal(answer.headers['x-error-code'], 'upstream_reset')
  t.same(seen, ['GET', 'POST'])
})

t.test('a new connection that dies is not tried again', async (t) => {
  let connections = 0
  const api = await startRawServer(t, (socket) => {
    connections += 1
    socket.once('data', () => socket.destroy())
  })
  const { port } = await startProxy(t, { api: api.url })
  t.equal((await call(port)).headers['x-error-code'], 'upstream_reset')
  t.equal(connections, 1)
})

t.test('a connection that dies in the middle of an answer is not tried again', async (t) => {
  const seen: string[] = []
  const api = await startRawServer(t, (socket) => {
    socket.on('data', (bytes) => {
      seen.push(bytes.toString().split(' ', 1)[0] ?? '')
      if (seen.length === 1) socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}')
      else socket.write('HTTP/1.1 200 OK\r\nconte', () => socket.resetAndDestroy())
    })
  })
  const { port } = await startProxy(t, { api: api.url })
  t.equal((await call(port)).status, 200)
  t.equal((await call(port)).headers['x-error-code'], 'upstream_reset')
  t.equal(seen.length, 2)
})

t.test('nor is one that takes the place of an old one', async (t) => {
  const seen: string[] = []
  const api = await startRawServer(t, (socket) => {
    socket.once('data', (bytes) => {
      seen.push(bytes.toString().split(' ', 1)[0] ?? '')
      if (seen.length > 1) socket.destroy()
      else socket.end('HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}')
    })
  })
  const { port } = await startProxy(t, { api: api.url })
  t.equal((await call(port)).status, 200)
  t.equal((await call(port)).headers['x-error-code'], 'upstream_reset')
  t.equal(seen.length, 2)
})

t.test('no request waits behind another while a connection may be opened', async (t) => {
  let first: Socket | undefined
  const api = await startRawServer(t, (socket) => {
    socket.on('data', () => {
      if (first === undefined) first = socket
      else answer(socket)
    })
  })
  const { port } = await startProxy(t, { api: api.url })
  const slow = call(port)
  while (first === undefined) await new Promise(setImmediate)
  t.equal((await call(port)).status, 200)
  answer(first)
  t.equal((await slow).status, 200)
})

t.test(
  'what waits for a connection that is destroyed is told so, and what comes later',
  async (t) => {
    const api = await startRawServer(t, () => {})
    const pool = poolOfOne(api.url)
    const failures: unknown[] = []
    const handler = {
      onRequestStart() {},
      onResponseStart() {},
      onResponseData() {},
      onResponseEnd() {},
      onResponseError: (_controller: unknown, error: Error) => failures.push(error),
    } as unknown as ConnectionAware
    const request = { path: '/', method: 'GET' } as const
    pool.dispatch(request, handler)
    pool.dispatch(request, handler)
    await pool.destroy()
    pool.dispatch(request, handler)
    pool.dispatchOnNewConnection(request, handler)
    while (failures.length < 4) await new Promise(setImmediate)
    const codes = failures.map((error) => systemCode(error))
    t.equal(codes.join(), Array.from(codes, () => 'UND_ERR_DESTROYED').join())
  },
)

/* The queue: with one connection, which the first request takes. */

const ONE_CONNECTION = { SKP_UPSTREAM_CONNECTIONS: '1' }

const startBusyApi = async (t: Test) => {
  const seen: string[] = []
  let first: Socket | undefined
  const api = await startRawServer(t, (socket) => {
    socket.on('data', (bytes) => {
      seen.push(bytes.toString().split(' ', 2)[1] as string)
      if (seen.length === 1) first = socket
      else answer(socket)
    })
  })
  const isBusy = async (): Promise<void> => {
    while (first === undefined) await new Promise(setImmediate)
  }
  return { api, seen, isBusy, release: () => answer(first as Socket) }
}

t.test('callers that leave the queue are forgotten: nothing is sent or opened', async (t) => {
  const { api, seen, isBusy, release } = await startBusyApi(t)
  const { port, log } = await startProxy(t, { api: api.url, settings: ONE_CONNECTION })
  const first = call(port, { path: '/first' })
  await isBusy()
  const callers = Array.from({ length: 20 }, () => {
    const caller = http.request({ port, host: '127.0.0.1', method: 'POST', agent: false })
    return caller.on('error', () => {}).end('x'.repeat(10_000))
  })
  // Those behind it are answered by the proxy itself, so that those before it are in the queue.
  t.equal((await call(port, { method: 'TRACE' })).status, 405)
  for (const caller of callers) caller.destroy()
  const left = (): number => log.filter(({ msg }) => msg === 'POST / not finished').length
  while (left() < callers.length) await new Promise(setImmediate)
  const last = call(port, { path: '/last' })
  release()
  t.same([(await first).status, (await last).status], [200, 200])
  t.same(seen, ['/first', '/last'])
  t.equal(api.connections(), 1)
})

t.test('a body whose request has left the queue is free', async (t) => {
  const api = await startRawServer(t, () => {})
  const pool = poolOfOne(api.url)
  t.teardown(() => pool.destroy())
  const handler = { onRequestStart() {}, onResponseError() {} } as unknown as ConnectionAware
  const queueAndLeave = () => {
    const body = Buffer.alloc(100_000)
    pool.dispatch({ path: '/', method: 'POST', body }, handler)?.()
    return new WeakRef(body)
  }
  t.equal(pool.dispatch({ path: '/', method: 'GET' }, handler), undefined, 'sent at once')
  const body = queueAndLeave()
  await new Promise(setImmediate)
  setFlagsFromString('--expose-gc')
  ;(runInNewContext('gc') as () => void)()
  t.equal(body.deref(), undefined)
})

t.test('whoever has waited for SKP_QUEUE_TIMEOUT is told so', async (t) => {
  const { api, seen, isBusy, release } = await startBusyApi(t)
  const clock = new ManualClock()
  const { port } = await startProxy(t, { api: api.url, settings: ONE_CONNECTION, clock })
  t.teardown(() => clock.release())
  const first = call(port, { path: '/first' })
  await isBusy()
  const answers: Answer[] = []
  const callers = [call(port), call(port, { method: 'POST', body: '{}' })]
  for (const caller of callers) void caller.then((answer) => answers.push(answer))
  while (answers.length < callers.length) await clock.advance(100)
  for (const { status, headers, body } of answers) {
    t.equal(status, 503)
    t.match(headers, { 'x-error-code': 'overloaded', 'retry-after': '1' })
    t.match(body.toString(), 'SKP_QUEUE_TIMEOUT=5000ms')
  }
  release()
  t.equal((await first).status, 200)
  t.same(seen, ['/first'])
})

t.test('each request that waits has all of the time', async (t) => {
  const api = await startRawServer(t, () => {})
  const clock = new ManualClock()
  const pool = poolOfOne(api.url, clock)
  t.teardown(() => pool.destroy())
  const ended: string[] = []
  const dispatch = (path: string): void => {
    const onResponseError = (_: unknown, error: Error): void =>
      void ended.push(`${path} at ${clock.monotonic()}: ${systemCode(error)}`)
    const handler = { onRequestStart() {}, onResponseError } as unknown as ConnectionAware
    pool.dispatch({ path, method: 'GET' }, handler)
  }
  dispatch('/sent')
  dispatch('/a')
  await clock.advance(4_000)
  dispatch('/b')
  t.equal(clock.pending, 1, 'one timer')
  await clock.advance(60_000)
  t.same(ended, ['/a at 5000: ERR_QUEUE_TIMEOUT', '/b at 9000: ERR_QUEUE_TIMEOUT'])
  t.equal(clock.pending, 0)
})

t.test('a request that cannot be sent leaves its connection to the next one', async (t) => {
  const api = await startServer(t, (_request, response) => response.end())
  const pool = poolOfOne(api.url)
  t.teardown(() => pool.destroy())
  const ask = (headers: string[]): Promise<string> =>
    new Promise((resolve) => {
      const handler = {
        onRequestStart() {},
        onResponseStart() {},
        onResponseData() {},
        onResponseEnd: () => resolve('answered'),
        onResponseError: (_controller: unknown, error: Error) => resolve(systemCode(error)),
      } as unknown as ConnectionAware
      pool.dispatch({ path: '/', method: 'GET', headers }, handler)
    })
  t.equal(await ask(['no name', 'x']), 'UND_ERR_INVALID_ARG')
  t.equal(await ask([]), 'answered')
})

const TOKEN = ['authorization', 'Bearer token']

const startApi = async (t: Test) => {
  const seen: (string | undefined)[] = []
  const server = await startServer(t, (request, response) => {
    seen.push(request.headers.authorization)
    response.end()
  })
  const client = new Client(server.url)
  t.teardown(() => client.destroy())
  return { seen, client }
}

const send = (client: Client): Promise<unknown> => client.request({ path: '/', method: 'GET' })

t.test('the token goes out with the request that is made under it', async (t) => {
  const { seen, client } = await startApi(t)
  const answers: unknown[] = []
  withTrustedHeaders(TOKEN, () => answers.push(send(client)) > 0)
  await Promise.all(answers)
  t.same(seen, ['Bearer token'])
})

t.test('a second request under it has no token', async (t) => {
  const { seen, client } = await startApi(t)
  const answers: unknown[] = []
  withTrustedHeaders(TOKEN, () => answers.push(send(client), send(client)) > 0)
  await Promise.all(answers)
  t.same(seen, ['Bearer token', undefined])
})

t.test('where no request is made, the next one to another host gets no token', async (t) => {
  const { seen, client } = await startApi(t)
  withTrustedHeaders(TOKEN, () => false)
  t.throws(() =>
    withTrustedHeaders(TOKEN, () => {
      throw new Error('refused')
    }),
  )
  await send(client)
  t.same(seen, [undefined])
})

t.test('without a token nothing is added', async (t) => {
  const { seen, client } = await startApi(t)
  const answers: unknown[] = []
  withTrustedHeaders(undefined, () => answers.push(send(client)) > 0)
  await Promise.all(answers)
  t.same(seen, [undefined])
})
