import t from 'tap'
import { once } from 'node:events'
import http from 'node:http'
import { connect } from 'node:net'
import { systemClock } from '../../src/clock.ts'
import { call } from '../fixtures/http-client.ts'
import { CLIENT_SECRET, startProxy, startTokenServer, TOKEN } from '../fixtures/proxy.ts'
import { startRawServer, startServer, startStreamingServer } from '../fixtures/recording-server.ts'
import { recordTokenWaits } from '../fixtures/token-waits.ts'

t.test('200 cold callers cause one token request and get 200 answers', async (t) => {
  const tokenServer = await startTokenServer(t)
  const api = await startServer(t, (_request, response) => response.end('{}'))
  const tokenEndpoint = `${tokenServer.url}/oauth/token`
  const { port } = await startProxy(t, { api: api.url, tokenEndpoint })
  const warnings: string[] = []
  const onWarning = ({ message }: Error): void => void warnings.push(message)
  process.on('warning', onWarning)
  t.teardown(() => process.off('warning', onWarning))
  const responses = await Promise.all(Array.from({ length: 200 }, () => call(port)))
  t.ok(responses.every(({ status }) => status === 200))
  t.same(warnings, [], 'and none is about listeners')
  t.equal(tokenServer.requests.length, 1)
  t.ok(api.requests.every(({ headers }) => headers.authorization === `Bearer ${TOKEN}`))
})

t.test('a malformed token answer never becomes a header', async (t) => {
  const bodies = [
    '<html>sign in</html>',
    '{"token_type":"bearer"}',
    '{"access_token":"a\\r\\nx-injected: 1"}',
    '{"access_token":"a b"}',
    '{"access_token":7}',
    `{"access_token":"${'x'.repeat(300_000)}"}`,
    'undefined',
  ]
  for (const body of bodies) {
    const tokenServer = await startServer(t, (_request, response) => response.end(body))
    const api = await startServer(t, (_request, response) => response.end('{}'))
    const { port } = await startProxy(t, {
      api: api.url,
      tokenEndpoint: `${tokenServer.url}/oauth/token`,
      settings: { SKP_TOKEN_WAIT: '100ms' },
    })
    const response = await call(port)
    t.ok(response.status === 503 || response.status === 502, body.slice(0, 30))
    t.equal(response.headers['x-error-origin'], 'token-server')
    t.equal(api.requests.length, 0)
  }
})

t.test('odd lifetimes do no harm', async (t) => {
  for (const lifetime of ['missing', -1, '3600', 1e300, 'abc', 0]) {
    const tokenServer = await startServer(t, (_request, response) => {
      const expires = lifetime === 'missing' ? {} : { expires_in: lifetime }
      response.end(JSON.stringify({ access_token: TOKEN, ...expires }))
    })
    const api = await startServer(t, (_request, response) => response.end('{}'))
    const { port } = await startProxy(t, {
      api: api.url,
      tokenEndpoint: `${tokenServer.url}/oauth/token`,
    })
    for (let i = 0; i < 3; i += 1) t.equal((await call(port)).status, 200)
    t.equal(tokenServer.requests.length, 1, String(lifetime))
  }
})

t.test('a caller that gives up waiting for a token causes no request to the API', async (t) => {
  const tokenServer = await startRawServer(t, (socket) => {
    socket.once('data', () => {
      grant = () => {
        const body = JSON.stringify({ access_token: TOKEN })
        socket.end(`HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n${body}`)
      }
    })
  })
  let grant: (() => void) | undefined
  const api = await startServer(t, (_request, response) => response.end('{}'))
  const { port, log } = await startProxy(t, {
    api: api.url,
    tokenEndpoint: `${tokenServer.url}/oauth/token`,
  })
  const waits = recordTokenWaits(t)
  const caller = http.get({ port, host: '127.0.0.1', path: '/gone', agent: false })
  const gone = new Promise((resolve) => caller.once('error', resolve))
  const other = call(port, { path: '/waits' })
  await once(caller, 'finish')
  while (grant === undefined) await new Promise(setImmediate)
  caller.destroy()
  await gone
  while (log.every(({ request }) => request !== '/gone')) await new Promise(setImmediate)
  t.match(await waits[0], { ok: false }, 'its place is free before there is a token')
  grant()
  t.equal((await other).status, 200)
  t.same(
    api.requests.map(({ url }) => url),
    ['/waits'],
  )
})

t.test('probes', async (t) => {
  t.test('say ready once there is a token, and carry ids', async (t) => {
    const { port } = await startProxy(t, { api: 'http://127.0.0.1:1' })
    await call(port, { path: '/x' })
    const ready = await call(port, { path: '/-/ready', headers: { 'x-correlation-id': 'c' } })
    t.match(ready, { status: 200, headers: { 'x-correlation-id': 'c', 'x-request-id': String } })
    t.same(JSON.parse(ready.body.toString()), { status: 'UP' })
    t.match(await call(port, { method: 'HEAD', path: '/-/ready' }), { status: 200 })
  })

  t.test('say why not, while live does not care', async (t) => {
    const tokenServer = await startServer(t, (_request, response) => {
      response.writeHead(401).end('{"error":"invalid_client"}')
    })
    const tokenEndpoint = `${tokenServer.url}/oauth/token`
    const { port } = await startProxy(t, { api: 'http://127.0.0.1:1', tokenEndpoint })
    await call(port, { path: '/x' })
    const ready = await call(port, { path: '/-/ready' })
    t.equal(ready.status, 503)
    t.same(JSON.parse(ready.body.toString()), {
      status: 'DOWN',
      reasons: ['no usable token: the token server answered 401 invalid_client'],
    })
    t.equal((await call(port, { path: '/-/live' })).status, 200)
  })

  t.test('own their prefix: nothing below it reaches the API', async (t) => {
    const api = await startServer(t, (_request, response) => response.end('{}'))
    const { port } = await startProxy(t, { api: api.url })
    for (const [method, path] of [
      ['GET', '/-/metrics'],
      ['POST', '/-/x'],
      ['POST', '/-/ready'],
      ['MERGE', '/-/live'],
    ] as const) {
      const response = await call(port, { method, path })
      t.equal(response.headers['x-error-code'], 'not_found', `${method} ${path}`)
    }
    t.equal(api.requests.length, 0)
  })
})

t.test('stopping', async (t) => {
  t.test('finishes what is in flight and asks callers to close', async (t) => {
    let finish: (() => void) | undefined
    const api = await startStreamingServer(t, (_request, response) => {
      finish = () => response.end('done')
    })
    const { port, app } = await startProxy(t, { api: api.url })
    const agent = new http.Agent({ keepAlive: true })
    const inFlight = call(port, { agent })
    while (finish === undefined) await new Promise(setImmediate)
    const stopped = app.stop()
    finish()
    const response = await inFlight
    t.match(response, { status: 200, headers: { connection: 'close' } })
    await stopped
    await t.rejects(call(port), { code: 'ECONNREFUSED' })
  })

  t.test('still accepts for SKP_DRAIN_DELAY, then refuses with a reason', async (t) => {
    let finish: (() => void) | undefined
    const api = await startStreamingServer(t, (request, response) => {
      if (request.url === '/slow') finish = () => response.end('done')
      else response.end('ok')
    })
    const { port, app, log } = await startProxy(t, {
      api: api.url,
      settings: { SKP_DRAIN_DELAY: '100ms' },
    })
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
    const slow = call(port, { path: '/slow' })
    t.equal((await call(port, { agent })).status, 200)
    while (finish === undefined) await new Promise(setImmediate)
    const stopped = app.stop()
    t.equal((await call(port, { path: '/-/ready' })).status, 503, 'not ready at once')
    const late = await call(port)
    t.equal(late.status, 200, 'a route that was not removed yet still works')
    t.equal(late.headers.connection, 'close')
    finish()
    t.equal((await slow).status, 200)
    await stopped
    t.notOk(log.some(({ msg }) => /cut off/.test(String(msg))))
  })

  t.test('refuses on a kept connection with 503 and closes it', async (t) => {
    const api = await startStreamingServer(t, () => {})
    const { port, app } = await startProxy(t, {
      api: api.url,
      settings: { SKP_DRAIN_TIMEOUT: '500ms' },
    })
    const hanging = call(port, { path: '/hangs' }).catch((error: unknown) => error)
    // A body that is there, and one that does not come.
    const late = ['content-length: 0', 'content-length: 9'].map((field) => {
      const socket = connect(port, '127.0.0.1')
      // The head is still incomplete when stopping begins, so the connection is not idle.
      socket.write(`POST /late HTTP/1.1\r\nhost: x\r\n${field}\r\n`)
      return socket
    })
    await Promise.all(late.map((socket) => once(socket, 'connect')))
    for (let turn = 0; turn < 100; turn += 1) await new Promise(setImmediate)
    const stopped = app.stop()
    await new Promise((resolve) => {
      setTimeout(resolve, 50)
    })
    for (const socket of late) {
      socket.write('\r\n')
      const [bytes] = (await once(socket, 'data')) as [Buffer]
      t.match(bytes.toString(), /^HTTP\/1\.1 503 /)
      t.match(bytes.toString(), /x-error-code: stopping\r\n/)
      t.match(bytes.toString(), /connection: close\r\n/)
      t.match(bytes.toString(), /retry-after: 1\r\n/)
      socket.resume()
      for (let turn = 0; turn < 100; turn += 1) await new Promise(setImmediate)
      t.notOk(socket.readableEnded, 'not while the caller may still be sending')
      socket.end()
    }
    await stopped
    t.ok((await hanging) instanceof Error)
  })

  t.test('does not wait for connections that never sent a whole request', async (t) => {
    const { port, app, log } = await startProxy(t, { api: 'http://127.0.0.1:1' })
    const silent = connect(port, '127.0.0.1')
    const half = connect(port, '127.0.0.1')
    await Promise.all([once(silent, 'connect'), once(half, 'connect')])
    half.write('GET / HTTP/1.1\r\n')
    for (let turn = 0; turn < 100; turn += 1) await new Promise(setImmediate)
    const startedAt = performance.now()
    await app.stop()
    t.ok(performance.now() - startedAt < 10_000, 'far below SKP_DRAIN_TIMEOUT')
    t.notOk(log.some(({ msg }) => /cut off/.test(String(msg))))
  })

  t.test('cuts off what is still in flight at SKP_DRAIN_TIMEOUT, and says so', async (t) => {
    const api = await startStreamingServer(t, () => {})
    const { port, app, log } = await startProxy(t, {
      api: api.url,
      settings: { SKP_DRAIN_TIMEOUT: '50ms' },
    })
    const hanging = call(port)
    const failed = t.rejects(hanging, { code: 'ECONNRESET' })
    while (log.every(({ msg }) => msg !== 'token obtained')) await new Promise(setImmediate)
    await app.stop()
    await failed
    t.ok(log.some(({ msg }) => /SKP_DRAIN_TIMEOUT were cut off/.test(String(msg))))
  })
})

t.test('neither secret nor token reaches the log, whatever happens', async (t) => {
  const failing = await startServer(t, ({ body }, response) => {
    response.writeHead(400).end(`you sent ${body.toString()}`)
  })
  const api = await startServer(t, ({ headers }, response) => {
    response.writeHead(500, { 'x-echo': String(headers.authorization) }).end('failed')
  })
  const rejected = await startProxy(t, {
    api: api.url,
    tokenEndpoint: `${failing.url}/oauth/token`,
  })
  const working = await startProxy(t, { api: api.url })
  const responses: string[] = []
  for (const { port } of [rejected, working]) {
    for (const path of ['/Vendor', '/%2e%2e', '/-/ready', '/-/x']) {
      const { headers, body } = await call(port, { path })
      if (headers['x-echo'] === undefined) responses.push(JSON.stringify(headers), body.toString())
    }
  }
  t.ok(responses.length >= 14, 'all but the one the API made itself')
  const written = JSON.stringify([rejected.log, working.log, responses])
  for (const canary of [CLIENT_SECRET, encodeURIComponent(CLIENT_SECRET), TOKEN]) {
    t.notOk(written.includes(canary))
  }
  t.ok(working.log.length > 4)
})

t.test('a defect on the way is answered and logged, never left hanging', async (t) => {
  const api = await startServer(t, (_request, response) => response.end('{}'))
  let isBroken = false
  const clock = {
    ...systemClock,
    now() {
      // The first to ask is the token source.
      const breaks = isBroken
      isBroken = false
      if (breaks) throw new Error('no time')
      return systemClock.now()
    },
  }
  const { port, log } = await startProxy(t, { api: api.url, clock })
  isBroken = true
  const response = await call(port)
  t.match(response, { status: 502, headers: { 'x-error-code': 'internal' } })
  t.match(
    log.filter(({ level }) => level === 'error'),
    [{ msg: 'a request failed by a defect', err: { message: 'no time' } }],
  )
  t.equal(api.requests.length, 0)
})
