import t, { type Test } from 'tap'
import { createCertificateAuthority } from '../../demo/certificate-authority.ts'
import type { KeyReading } from '../../src/service-key/key-source.ts'
import { systemClock, type Clock } from '../../src/clock.ts'
import { freePort } from '../fixtures/free-port.ts'
import { call } from '../fixtures/http-client.ts'
import { readingOf, startProxy, startTokenServer } from '../fixtures/proxy.ts'
import { startServer, startStreamingServer } from '../fixtures/recording-server.ts'

/** A token server whose clients a test may change; the token names the secret it was given for. */
const startTokens = async (t: Test, secrets: readonly string[]) => {
  const valid = new Set(secrets)
  let nth = 0
  const server = await startServer(t, (request, response) => {
    const secret = new URLSearchParams(request.body.toString()).get('client_secret') ?? ''
    if (!valid.has(secret)) {
      const error_description = `No client with ${secret}`
      const body = JSON.stringify({ error: 'invalid_client', error_description })
      return void response.writeHead(401).end(body)
    }
    nth += 1
    response.end(JSON.stringify({ access_token: `${secret}-token-${nth}`, expires_in: 43_200 }))
  })
  return { valid, endpoint: `${server.url}/oauth/token`, server }
}

/** An API that tells which token it saw, and that knows tokens of some secrets only. */
const startApi = async (t: Test, secrets: ReadonlySet<string>) =>
  startServer(t, (request, response) => {
    const token = String(request.headers.authorization).replace('Bearer ', '')
    const known = [...secrets].some((secret) => token.startsWith(secret))
    response.writeHead(known ? 200 : 401, { 'x-token': token }).end('{}')
  })

type Delivered = KeyReading | { ok: false; reason: 'invalid'; problems: string[] }

/** A proxy whose key a test may replace, and that looks at it when told to. */
const start = async (
  t: Test,
  first: KeyReading,
  settings: Record<string, string> = {},
  clock = systemClock,
) => {
  let delivered: Delivered = first
  const sources = [{ name: 'intas', read: () => delivered }]
  const { app, port, log } = await startProxy(t, { sources, settings, clock })
  const logged = async (pattern: RegExp): Promise<void> => {
    while (!log.some(({ msg }) => pattern.test(String(msg)))) await new Promise(setImmediate)
  }
  return {
    port,
    log,
    logged,
    deliver(next: Delivered) {
      delivered = next
    },
    reload: () => app.reload(),
    get: async (path = '/x') => {
      const response = await call(port, { path })
      return `${response.status} ${String(response.headers['x-token'])}`
    },
    readiness: async () => {
      const response = await call(port, { path: '/-/ready' })
      return JSON.parse(response.body.toString()) as { status: string; reasons?: string[] }
    },
  }
}

const TAKEN_OVER = /^the service key has changed and is in use/
const REFUSED = /^the service key has changed, but cannot be used/

t.test('a key that is replaced on disk', async (t) => {
  const watch = [{ directory: t.testdir() }]
  const options = (clientSecret: string) => ({ clientSecret, watch })

  t.test('is taken over once it has a token; the old token is used up', async (t) => {
    const tokens = await startTokens(t, ['old-secret', 'new-secret'])
    const api = await startApi(t, tokens.valid)
    const reading = (secret: string) => readingOf(tokens.endpoint, { '': api.url }, options(secret))
    const proxy = await start(t, reading('old-secret'))
    t.equal(await proxy.get(), '200 old-secret-token-1')
    proxy.deliver(reading('new-secret'))
    proxy.reload()
    await proxy.logged(TAKEN_OVER)
    t.equal(await proxy.get(), '200 old-secret-token-1')
    tokens.valid.delete('old-secret')
    t.equal(await proxy.get(), '200 new-secret-token-2', 'the API refuses the old one: replayed')
    t.equal(tokens.server.requests.length, 2)
    for (const secret of ['third-secret', 'fourth-secret']) {
      tokens.valid.clear()
      tokens.valid.add(secret)
      proxy.deliver(reading(secret))
      t.match(await proxy.get(), new RegExp(`^200 ${secret}`))
    }
  })

  t.test(
    'loses no request where the old one is dead at once, and nobody has looked yet',
    async (t) => {
      const tokens = await startTokens(t, ['old-secret'])
      const api = await startApi(t, tokens.valid)
      const reading = (secret: string) =>
        readingOf(tokens.endpoint, { '': api.url }, options(secret))
      const proxy = await start(t, reading('old-secret'))
      t.equal(await proxy.get(), '200 old-secret-token-1')
      proxy.deliver(reading('new-secret'))
      tokens.valid.clear()
      tokens.valid.add('new-secret')
      const responses = await Promise.all([proxy.get('/a'), proxy.get('/b')])
      t.same(responses, ['200 new-secret-token-2', '200 new-secret-token-2'])
    },
  )

  t.test('changes nothing where it cannot be used, and says so until it can', async (t) => {
    const tokens = await startTokens(t, ['old-secret'])
    const api = await startApi(t, tokens.valid)
    const reading = (secret: string) => readingOf(tokens.endpoint, { '': api.url }, options(secret))
    const adminPort = await freePort()
    const settings = { SKP_ADMIN_PORT: String(adminPort) }
    const proxy = await start(t, reading('old-secret'), settings)
    await proxy.get()
    for (const [delivered, reason] of [
      [{ ok: false, reason: 'invalid', problems: ['a', 'b'] }, 'a; b'],
      [reading('wrong-secret'), 'it yields no token: the token server answered 401 invalid_client'],
    ] as const) {
      proxy.deliver(delivered as Delivered)
      proxy.reload()
      await proxy.logged(REFUSED)
      let state = await proxy.readiness()
      while (state.reasons === undefined || !state.reasons[0]?.endsWith(reason)) {
        state = await proxy.readiness()
      }
      t.equal(state.status, 'UP', reason)
      t.equal(await proxy.get(), '200 old-secret-token-1')
    }
    t.match(
      proxy.log.filter(({ msg }) => REFUSED.test(String(msg))),
      [
        { level: 'warn', reason: 'a; b', msg: /the old key stays in use$/ },
        {
          level: 'warn',
          reason: 'it yields no token: the token server answered 401 invalid_client',
          description: 'No client with [redacted]',
          advice: /create a new one/,
        },
      ],
    )
    const counts = (await call(adminPort, { path: '/metrics' })).body.toString()
    t.match(counts, /token_requests_total\{outcome="rejected"\} 0\n/)
    t.match(counts, /token_requests_total\{outcome="rejected_unused"\} 1\n/)
    t.notMatch(JSON.stringify(proxy.log), /wrong-secret|old-secret/)
    tokens.valid.add('wrong-secret')
    proxy.reload()
    await proxy.logged(TAKEN_OVER)
    t.same(await proxy.readiness(), { status: 'UP' })
    proxy.deliver({ ok: false, reason: 'invalid', problems: ['c'] })
    proxy.reload()
    while ((await proxy.readiness()).reasons === undefined) await new Promise(setImmediate)
    proxy.deliver(reading('wrong-secret'))
    proxy.reload()
    while ((await proxy.readiness()).reasons !== undefined) await new Promise(setImmediate)
    t.match(
      proxy.log.filter(({ lasted_s }) => lasted_s !== undefined),
      [
        { level: 'info', msg: 'what is delivered as the service key can be used again' },
        { level: 'info', msg: 'what is delivered as the service key is the one in use again' },
      ],
      'the end is told, too',
    )
    t.same(
      proxy.log.filter(({ level }) => level === 'error'),
      [],
      'no request has failed',
    )
    const metrics = (await call(adminPort, { path: '/metrics' })).body.toString()
    t.match(metrics, /credential_reloads_total\{outcome="refused"\} 3\n/)
    t.match(metrics, /credential_reloads_total\{outcome="taken"\} 1\n/)
  })

  t.test('that is rejected later on raises no alarm while the old one still helps', async (t) => {
    const tokens = await startTokens(t, ['old-secret', 'new-secret'])
    const refused = new Set<string>()
    const api = await startServer(t, (request, response) => {
      const token = String(request.headers.authorization).replace('Bearer ', '')
      response.writeHead(refused.has(token) ? 401 : 200, { 'x-token': token }).end('{}')
    })
    const reading = (secret: string) => readingOf(tokens.endpoint, { '': api.url }, options(secret))
    const adminPort = await freePort()
    const settings = { SKP_ADMIN_PORT: String(adminPort) }
    const proxy = await start(t, reading('old-secret'), settings)
    await proxy.get()
    proxy.deliver(reading('new-secret'))
    proxy.reload()
    await proxy.logged(TAKEN_OVER)
    refused.add('old-secret-token-1')
    t.equal(await proxy.get(), '200 new-secret-token-2')
    refused.add('new-secret-token-2')
    tokens.valid.delete('new-secret')
    t.equal(await proxy.get(), '200 old-secret-token-3')
    t.match(
      proxy.log.filter(({ level, type }) => type !== 'request' && level !== 'info'),
      [{ level: 'warn', msg: /the previous key still gives tokens and stays in use/ }],
    )
    const counts = (await call(adminPort, { path: '/metrics' })).body.toString()
    t.match(counts, /token_requests_total\{outcome="rejected"\} 0\n/)
    t.match(counts, /token_requests_total\{outcome="rejected_rescued"\} 1\n/)
  })

  t.test('is read once more where it changes again meanwhile', async (t) => {
    const tokens = await startTokens(t, ['first-secret', 'second-secret', 'third-secret'])
    const api = await startApi(t, tokens.valid)
    const reading = (secret: string) => readingOf(tokens.endpoint, { '': api.url }, options(secret))
    const proxy = await start(t, reading('first-secret'))
    await proxy.get()
    proxy.deliver(reading('second-secret'))
    proxy.reload()
    proxy.deliver(reading('third-secret'))
    proxy.reload()
    while (tokens.server.requests.length < 3) await new Promise(setImmediate)
    tokens.valid.delete('first-secret')
    tokens.valid.delete('second-secret')
    t.match(await proxy.get(), /^200 third-secret/)
  })

  t.test('moves traffic to another base URL, with tokens of its own', async (t) => {
    const [here, there] = [await startTokens(t, ['a-secret']), await startTokens(t, ['b-secret'])]
    const held: (() => void)[] = []
    const seen: (string | undefined)[] = []
    const old = await startStreamingServer(t, (request, response) => {
      seen.push(request.headers.authorization)
      if (request.url === '/slow') held.push(() => response.end('{}'))
      else response.end('{}')
    })
    const next = await startApi(t, there.valid)
    const closings: (() => void)[] = []
    const clock: Clock = {
      ...systemClock,
      schedule: (ms, task, options) => {
        if (ms !== 600_000) return systemClock.schedule(ms, task, options)
        closings.push(task)
        return () => {}
      },
    }
    const first = readingOf(here.endpoint, { '': old.url }, options('a-secret'))
    const proxy = await start(t, first, {}, clock)
    await proxy.get()
    const slow = proxy.get('/slow')
    while (held.length === 0) await new Promise(setImmediate)
    proxy.deliver(readingOf(there.endpoint, { '': next.url }, options('b-secret')))
    proxy.reload()
    await proxy.logged(TAKEN_OVER)
    t.equal(await proxy.get(), '200 b-secret-token-1')
    for (const finish of held) finish()
    t.equal(await slow, '200 undefined', 'what was under way ends where it began')
    t.same(new Set(seen), new Set(['Bearer a-secret-token-1']))
    t.ok(old.open() > 0)
    for (const close of closings) close()
    while (old.open() > 0) await new Promise(setImmediate)
    t.equal(await proxy.get(), '200 b-secret-token-1', 'only the old connections are closed')
    proxy.deliver(first)
    proxy.reload()
    while ((await proxy.get()) !== '200 undefined') await new Promise(setImmediate)
    t.equal(seen.at(-1), 'Bearer a-secret-token-2', 'and back, with the other still to be closed')
    t.ok(next.requests.every(({ headers }) => headers.authorization?.startsWith('Bearer b-')))
  })

  t.test('stays where it is while the new place gives no token', async (t) => {
    const tokens = await startTokens(t, ['a-secret'])
    const api = await startApi(t, tokens.valid)
    const elsewhere = await startServer(t, (_request, response) =>
      response.writeHead(401).end('{}'),
    )
    const proxy = await start(t, readingOf(tokens.endpoint, { '': api.url }, options('a-secret')))
    await proxy.get()
    const wrong = readingOf(`${elsewhere.url}/oauth/token`, { '': api.url }, options('b-secret'))
    proxy.deliver(wrong)
    proxy.reload()
    await proxy.logged(REFUSED)
    t.equal(await proxy.get(), '200 a-secret-token-1')
    t.match(
      proxy.log.filter(({ level }) => level === 'warn' || level === 'error'),
      [{ level: 'warn', reason: /answered 401 without an OAuth error$/ }],
    )
  })
})

t.test('a folder that cannot be watched is polled, and the log says so', async (t) => {
  const tokens = await startTokens(t, ['a-secret'])
  const watch = [{ directory: '/nowhere/at/all' }]
  const bases = { '': 'http://127.0.0.1:1' }
  const { log } = await start(t, readingOf(tokens.endpoint, bases, { watch }))
  t.match(
    log.filter(({ directory }) => directory !== undefined),
    [{ level: 'warn', code: 'ENOENT', directory: '/nowhere/at/all', msg: /by polling only/ }],
  )
})

t.test(
  'a key from the environment: callers learn that only a restart brings a new one',
  async (t) => {
    const tokens = await startTokens(t, [])
    const reading = readingOf(tokens.endpoint, { '': 'http://127.0.0.1:1' })
    const { port } = await startProxy(t, { sources: [{ name: 'intas', read: () => reading }] })
    const response = await call(port, { path: '/x' })
    t.match(response, { status: 502, headers: { 'x-error-code': 'credential_rejected' } })
    t.match(response.body.toString(), /came with the environment: bind a valid one, then restart/)
  },
)

t.test('several keys', async (t) => {
  const tokens = await startTokens(t, ['dev-secret'])
  const api = await startApi(t, tokens.valid)
  const source = (name: string, clientSecret: string) => {
    const reading = readingOf(tokens.endpoint, { [`/${name}`]: `${api.url}/v1` }, { clientSecret })
    return { name, read: () => reading }
  }
  const sources = [source('dev', 'dev-secret'), source('prod', 'prod-secret')]
  const { port } = await startProxy(t, { sources })
  const get = (path: string) => call(port, { path })

  t.test('have tokens of their own, although they share the host', async (t) => {
    const dev = await get('/dev/Vendor')
    t.match(dev, { status: 200, headers: { 'x-token': 'dev-secret-token-1' } })
    t.equal(api.requests.at(-1)?.url, '/v1/Vendor')
  })

  t.test('do not stop each other, and the probe tells of each', async (t) => {
    t.match(await get('/prod/Vendor'), { headers: { 'x-error-code': 'credential_rejected' } })
    t.match(await get('/dev/Vendor'), { status: 200 })
    const ready = await get('/-/ready')
    t.equal(ready.status, 200)
    t.match(JSON.parse(ready.body.toString()), {
      status: 'UP',
      reasons: ['key "prod": no usable token: the token server answered 401 invalid_client'],
    })
  })

  t.test('leave everything else unserved', async (t) => {
    const requests = api.requests.length
    for (const path of ['/', '/Vendor', '/v1/Vendor', '/develop/Vendor', '/dev/../prod/Vendor']) {
      const response = await get(path)
      t.ok(response.status === 404 || response.status === 400, path)
      t.equal(response.headers['x-error-origin'], 'service-key-proxy', path)
    }
    t.equal(api.requests.length, requests)
  })
})

t.test('one key with two base URLs has one token for both', async (t) => {
  const tokens = await startTokens(t, ['a-secret'])
  const [entities, management] = [await startApi(t, tokens.valid), await startApi(t, tokens.valid)]
  const bases = { '': `${entities.url}/v1`, '/management': `${management.url}/v2` }
  const reading = readingOf(tokens.endpoint, bases, { clientSecret: 'a-secret' })
  const { port } = await startProxy(t, { sources: [{ name: 'intas', read: () => reading }] })
  t.match(await call(port, { path: '/Vendor' }), { status: 200 })
  t.match(await call(port, { path: '/management/ImportContent' }), { status: 200 })
  t.same(
    [entities.requests[0]?.url, management.requests[0]?.url],
    ['/v1/Vendor', '/v2/ImportContent'],
  )
  t.equal(tokens.server.requests.length, 1)
})

t.test('an X.509 key is watched for its expiry from the start, and until the stop', async (t) => {
  const authority = await createCertificateAuthority()
  const notAfter = new Date(Date.now() + 3_600_000)
  const { certificate, key } = await authority.issueClient('sb-client!b1', { notAfter })
  const reading = readingOf('http://127.0.0.1:1/oauth/token', { '': 'http://127.0.0.1:1' })
  const keys = reading.keys.map(({ prefix, key: rest }) => ({
    prefix,
    key: {
      ...rest,
      authentication: { method: 'tls_client_auth', certificate, privateKey: key },
    },
  }))
  const { log } = await start(t, { ...reading, keys: keys as unknown as KeyReading['keys'] })
  t.match(
    log.filter(({ expiry }) => expiry !== undefined),
    [{ level: 'error', msg: /client certificate of the service key expires soon/ }],
  )
})

t.test('a new X.509 key is watched in place of the old one', async (t) => {
  const authority = await createCertificateAuthority()
  const tokens = await startTokenServer(t)
  const watch = [{ directory: t.testdir() }]
  const issue = async (): Promise<KeyReading> => {
    const { certificate, key } = await authority.issueClient('sb-client!b1')
    const bases = { '': 'http://127.0.0.1:1', '/again': 'http://127.0.0.1:1/v1' }
    const reading = readingOf(`${tokens.url}/oauth/token`, bases, { watch })
    const keys = reading.keys.map(({ prefix, key: rest }) => ({
      prefix,
      key: {
        ...rest,
        authentication: { method: 'tls_client_auth', certificate, privateKey: key },
      },
    }))
    return { ...reading, keys: keys as unknown as KeyReading['keys'] }
  }
  const proxy = await start(t, await issue())
  await proxy.get()
  proxy.deliver(await issue())
  proxy.reload()
  await proxy.logged(TAKEN_OVER)
  const expiring = proxy.log.filter(({ expiry }) => expiry !== undefined)
  t.equal(expiring.length, 2, 'both live for a day only')
})

t.test('a stop does not wait for a key that is being taken over', async (t) => {
  const tokens = await startTokens(t, ['a-secret'])
  const asked: string[] = []
  const hanging = await startServer(t, (request) => void asked.push(request.url))
  const watch = [{ directory: t.testdir() }]
  const bases = { '': 'http://127.0.0.1:1' }
  const options = { watch, clientSecret: 'a-secret' }
  let delivered = readingOf(tokens.endpoint, bases, options)
  const sources = [{ name: 'intas', read: () => delivered }]
  const { app, log } = await startProxy(t, { sources })
  delivered = readingOf(`${hanging.url}/oauth/token`, bases, options)
  app.reload()
  while (asked.length === 0) await new Promise(setImmediate)
  await app.stop()
  await new Promise(setImmediate)
  t.notOk(log.some(({ msg }) => REFUSED.test(String(msg)) || TAKEN_OVER.test(String(msg))))
})
