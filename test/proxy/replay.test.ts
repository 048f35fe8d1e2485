import { randomBytes } from 'node:crypto'
import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import t, { type Test } from 'tap'
import { call, type Call } from '../fixtures/http-client.ts'
import { createMovedClock } from '../fixtures/moved-clock.ts'
import { startProxy } from '../fixtures/proxy.ts'
import { startServer, startStreamingServer } from '../fixtures/recording-server.ts'
import { recordTokenWaits } from '../fixtures/token-waits.ts'

const KB = 1024

/** Grants token-1, token-2, … unless it is given another answer. */
const startTokens = async (t: Test) => {
  const state: { answer?: (response: ServerResponse) => void; issued: number } = { issued: 0 }
  const grant = (response: ServerResponse): void => {
    state.issued += 1
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify({ access_token: `token-${state.issued}`, expires_in: 43_199 }))
  }
  const server = await startServer(t, (_request, response) => (state.answer ?? grant)(response))
  return { state, grant, requests: server.requests, url: `${server.url}/oauth/token` }
}

type Respond = (response: ServerResponse) => unknown

interface Scene {
  readonly settings?: Readonly<Record<string, string>>
  /** The API rejects these tokens. */
  readonly rejected?: readonly string[]
  readonly reject?: Respond
  /** A path that answers 401 to every token. */
  readonly own?: string
  /** Answers of the API to the first request, the second and so on; over `rejected`. */
  readonly steps?: readonly Respond[]
}

const CHALLENGE = 'Bearer realm="intas", error="invalid_token"'
const unauthorized: Respond = (response) => {
  response.writeHead(401, { 'www-authenticate': CHALLENGE }).end('raw')
}
/** Gives no reason. */
const bare: Respond = (response) => response.writeHead(401).end('raw')
const ok: Respond = (response) => response.end('{}')

/** An API that rejects some tokens, and the proxy in front of it, its first token in hand. */
const start = async (t: Test, scene: Scene = {}) => {
  const { settings = {}, rejected = ['token-1'], reject = unauthorized, own, steps } = scene
  const tokens = await startTokens(t)
  const api = await startServer(t, ({ headers, url }, response) => {
    const isRejected = own === undefined ? rejected.includes(tokenOf({ headers })) : isAt(url, own)
    const step = isRejected ? reject : ok
    const respond = steps === undefined ? step : steps[api.requests.length - 1]
    void respond?.(response)
  })
  const clock = createMovedClock()
  const options = { api: api.url, tokenEndpoint: tokens.url, settings, clock }
  const { port, log } = await startProxy(t, options)
  await until(() => log.some(({ msg }) => msg === 'token obtained'))
  // The least time between two token requests is over.
  clock.state.later = 1_000
  return { port, log, tokens, api, clock, seen: () => api.requests.map(tokenOf) }
}

const isAt = (url: string, path: string): boolean => url.split('?')[0] === path

/** In the soft half of the life of token-1: the next request begins a renewal. */
const HALF_LIFE_MS = 25_000_000

/**
 * The next request begins a renewal, which is granted when the API has said 401 for the first time.
 * @returns for the API to say it
 */
const startRenewal = ({ tokens, clock }: Awaited<ReturnType<typeof start>>): Respond => {
  let grant: (() => void) | undefined
  clock.state.later += HALF_LIFE_MS
  tokens.state.answer = (response) => {
    grant = () => tokens.grant(response)
  }
  return async (response) => {
    await until(() => grant !== undefined)
    unauthorized(response)
    delete tokens.state.answer
    grant?.()
    // The least time between two token requests is over.
    clock.state.later += 1_000
  }
}

const tokenOf = ({ headers }: Pick<IncomingMessage, 'headers'>): string =>
  String(headers.authorization).replace('Bearer ', '')

/** Gives other events a turn until the condition holds. */
const until = async (holds: () => boolean): Promise<void> => {
  while (!holds()) await new Promise(setImmediate)
}

const write = (method: string, body: string | Buffer = '{"a":1}'): Call => ({
  method,
  body,
  headers: { 'content-length': Buffer.byteLength(body) },
})
const chunked = (method: string, body: string | Buffer): Call => ({
  method,
  body,
  headers: { 'transfer-encoding': 'chunked' },
})

for (const method of ['GET', 'HEAD', 'OPTIONS', 'DELETE', 'PUT']) {
  t.test(`${method} without a body is sent again, and the caller notices nothing`, async (t) => {
    const { port, log, tokens, api, seen } = await start(t)
    const answer = await call(port, { method, path: "/Vendor('1')?$top=1" })
    t.match(answer, { status: 200, headers: { 'x-error-code': undefined } })
    t.same(seen(), ['token-1', 'token-2'])
    t.equal(tokens.requests.length, 2)
    const [first, second] = api.requests.map(({ method, url, rawHeaders }) =>
      [method, url, ...rawHeaders].join('\n').replace('token-1', 'token-2'),
    )
    t.equal(first, second, 'nothing but the token differs')
    await until(() => log.some(({ type }) => type === 'request'))
    t.match(
      log.filter(({ type }) => type === 'request'),
      [{ token: 'replayed', response_status: 200 }],
    )
  })
}

t.test('a GET with a held body is sent again with it', async (t) => {
  const { port, api } = await start(t)
  t.equal((await call(port, write('GET', 'query'))).status, 200)
  t.same(
    api.requests.map(({ body }) => body.toString()),
    ['query', 'query'],
  )
})

const NOT_REPEATED: Record<string, Call> = {
  'POST with a body': write('POST'),
  'PUT with a body': write('PUT'),
  'PATCH with a body': write('PATCH'),
  'MERGE with a body': write('MERGE'),
  'DELETE with a body': write('DELETE'),
  'POST without a body': { method: 'POST' },
  'PATCH without a body': { method: 'PATCH' },
  'POST of unknown length': chunked('POST', '{"a":1}'),
  'GET of unknown length': chunked('GET', '{"a":1}'),
  'POST above 64 KB': write('POST', randomBytes(64 * KB + 1)),
}

for (const [name, request] of Object.entries(NOT_REPEATED)) {
  t.test(`${name} reaches the API once, and its caller is told to come back`, async (t) => {
    const { port, tokens, seen } = await start(t, { reject: bare })
    t.match(await call(port, request), {
      status: 503,
      headers: {
        'x-error-code': 'token_refreshed_retry',
        'x-error-origin': 'service-key-proxy',
        'retry-after': '1',
        'www-authenticate': undefined,
      },
    })
    t.equal((await call(port, request)).status, 200, 'the token has been renewed all the same')
    t.same(seen(), ['token-1', 'token-2'])
    t.equal(tokens.requests.length, 2)
  })
}

const WRITES: Record<string, [request: Call, status: number, times: number]> = {
  'a small body is sent twice': [write('POST'), 200, 2],
  'a body of 64 KB is sent twice': [write('PATCH', randomBytes(64 * KB)), 200, 2],
  'no body at all is sent twice': [{ method: 'POST' }, 200, 2],
  'a body above 64 KB is sent once': [write('POST', randomBytes(64 * KB + 1)), 503, 1],
  'a body of unknown length is sent once': [chunked('POST', '{"a":1}'), 503, 1],
}

for (const [title, [request, status, times]] of Object.entries(WRITES)) {
  for (const [when, scene] of [
    ['with SKP_REPLAY_WRITES=on', { settings: { SKP_REPLAY_WRITES: 'on' }, reject: bare }],
    ['where the 401 blames the token', {}],
  ] as const) {
    t.test(`${when} ${title}`, async (t) => {
      const { port, api } = await start(t, scene)
      t.equal((await call(port, request)).status, status)
      t.equal(api.requests.length, times)
      const sent = Buffer.from(request.body ?? '')
      t.ok(
        api.requests.every(({ body }) => body.equals(sent)),
        'byte for byte',
      )
    })
  }
}

t.test('with SKP_REPLAY_WRITES=off a write is sent once, whatever the 401 says', async (t) => {
  const { port, seen } = await start(t, { settings: { SKP_REPLAY_WRITES: 'off' } })
  t.match(await call(port, write('POST')), { status: 503 })
  t.same(seen(), ['token-1'])
})

t.test('a token granted before a revocation is as dead as the one it replaces', async (t) => {
  const steps: Respond[] = []
  const scene = await start(t, { steps })
  const { port, tokens, seen } = scene
  steps.push(startRenewal(scene), unauthorized, ok)
  t.equal((await call(port)).status, 200, 'so it says nothing about the next one')
  t.same(seen(), ['token-1', 'token-2', 'token-3'])
  t.equal(tokens.requests.length, 3)
})

t.test('each 401 of a write is judged by what it says itself', async (t) => {
  const steps: Respond[] = []
  const scene = await start(t, { steps })
  const { port, seen } = scene
  steps.push(startRenewal(scene), bare)
  t.match(await call(port, write('POST')), {
    headers: { 'x-error-code': 'token_refreshed_retry' },
  })
  t.same(seen(), ['token-1', 'token-2'])
})

t.test('a path that always answers 401 costs the others neither tokens nor time', async (t) => {
  const { port, clock, tokens, api } = await start(t, { own: '/own' })
  let grant: (() => void) | undefined
  tokens.state.answer = (response) => {
    grant = () => tokens.grant(response)
  }
  const own = call(port, { path: '/own?a=1' })
  await until(() => grant !== undefined)
  t.equal((await call(port, { path: '/a' })).status, 200, 'goes on with the token in hand')
  grant?.()
  t.match(await own, { headers: { 'x-error-code': 'upstream_rejected_token' } })
  t.equal((await call(port, { path: '/b' })).status, 200)
  for (const path of ['/own?a=2', '/own', '/own']) {
    clock.state.later += 11_000
    t.match(await call(port, { path }), { status: 502 })
    t.equal((await call(port, { path: '/c' })).status, 200)
  }
  t.equal(tokens.requests.length, 2, 'one for the first 401, none for the others')
  const others = api.requests.filter(({ url }) => url === '/c').map(tokenOf)
  t.same(others, ['token-2', 'token-2', 'token-2'], 'the token that it refused is no worse for it')
})

t.test('an API whose clock is behind goes on with the previous token', async (t) => {
  const { port, log, clock, tokens, seen } = await start(t, { rejected: ['token-2'] })
  clock.state.later += HALF_LIFE_MS
  t.equal((await call(port)).status, 200)
  await until(() => log.filter(({ msg }) => msg === 'token obtained').length === 2)
  for (const round of [1, 2, 3]) {
    t.equal((await call(port)).status, 200, `read ${round}`)
    t.equal((await call(port, write('POST'))).status, 200, `write ${round}`)
    clock.state.later += 10_000
  }
  t.equal(seen().filter((token) => token !== 'token-1').length, 1)
  t.equal(tokens.requests.length, 2)
})

t.test('a second 401 is not answered with a third try', async (t) => {
  const rejected = ['token-1', 'token-2']
  const { port, tokens, seen } = await start(t, { rejected })
  t.match(await call(port), {
    status: 502,
    headers: { 'x-error-code': 'upstream_rejected_token', 'www-authenticate': undefined },
  })
  t.same(seen(), rejected, 'exactly two requests')
  t.equal(tokens.requests.length, 2)
})

t.test('with SKP_PASS_401=on the caller gets the second 401 as it is', async (t) => {
  const rejected = ['token-1', 'token-2']
  const { port, seen } = await start(t, { rejected, settings: { SKP_PASS_401: 'on' } })
  const answer = await call(port)
  t.match(answer, {
    status: 401,
    headers: { 'www-authenticate': CHALLENGE, 'x-error-code': undefined },
  })
  t.equal(answer.body.toString(), 'raw')
  t.same(seen(), rejected)
})

t.test('20 simultaneous 401s cause one token request and 20 good answers', async (t) => {
  const waiting: ServerResponse[] = []
  const { port, tokens, seen } = await start(t, {
    reject(response) {
      waiting.push(response)
      if (waiting.length === 20) for (const each of waiting) unauthorized(each)
    },
  })
  const answers = await Promise.all(Array.from({ length: 20 }, () => call(port)))
  t.ok(answers.every(({ status }) => status === 200))
  t.equal(tokens.requests.length, 2)
  t.equal(seen().filter((token) => token === 'token-1').length, 20)
  t.equal(seen().length, 40)
})

t.test('an early 401 reaches a caller that is still sending', async (t) => {
  const { url } = await startStreamingServer(t, (_request, response) => unauthorized(response))
  const { port } = await startProxy(t, { api: url })
  const answer = await call(port, { method: 'POST', body: Buffer.alloc(5 * KB * KB) })
  t.equal(answer.headers['x-error-code'], 'token_refreshed_retry')
})

const BODIES: Record<string, Respond> = {
  'is larger than 64 KB': (response) => response.end(Buffer.alloc(2 * KB * KB)),
  'never ends': (response) => {
    const more = (): void => {
      while (!response.destroyed && response.write(Buffer.alloc(KB)));
      response.once('drain', more)
    }
    more()
  },
  stalls: (response) => response.write('part'),
}

for (const [name, send] of Object.entries(BODIES)) {
  t.test(`a 401 whose body ${name} loses its connection, not its replay`, async (t) => {
    const closed: Promise<unknown>[] = []
    const { port } = await start(t, {
      // One connection: the replay needs it, and no limit but the rule itself sets it free.
      settings: { SKP_UPSTREAM_CONNECTIONS: '1' },
      reject(response) {
        closed.push(new Promise((resolve) => response.once('close', resolve)))
        response.writeHead(401)
        send(response)
      },
    })
    t.equal((await call(port)).status, 200)
    await Promise.all(closed)
    t.equal(closed.length, 1)
  })
}

t.test('a 401 that stalls under a write does not hold its connection either', async (t) => {
  const { port } = await start(t, {
    settings: { SKP_UPSTREAM_CONNECTIONS: '1' },
    reject: (response) => void response.writeHead(401).write('part'),
  })
  t.match(await call(port, write('POST')), { status: 503 })
  t.equal((await call(port)).status, 200)
})

const die: Respond = (response) => void response.socket?.destroy()
const cut: Respond = (response) => {
  response.writeHead(200, { 'content-length': 9 }).write('part', () => die(response))
}

t.test('a write whose replay dies is not sent a third time', async (t) => {
  const settings = { SKP_REPLAY_WRITES: 'on' }
  const { port, seen } = await start(t, { settings, steps: [unauthorized, die, ok] })
  t.match(await call(port, write('POST')), {
    status: 502,
    headers: { 'x-error-code': 'upstream_reset' },
  })
  t.same(seen(), ['token-1', 'token-2'])
})

t.test('a GET whose replay dies on a kept connection is still answered', async (t) => {
  const { port, seen } = await start(t, { steps: [unauthorized, die, ok] })
  t.equal((await call(port)).status, 200)
  t.same(seen(), ['token-1', 'token-2', 'token-2'])
})

t.test('a GET that dies on a kept connection and then gets a 401 is still answered', async (t) => {
  const { port, seen } = await start(t, { steps: [ok, die, unauthorized, ok] })
  t.equal((await call(port)).status, 200)
  t.equal((await call(port)).status, 200)
  t.same(seen(), ['token-1', 'token-1', 'token-1', 'token-2'])
})

t.test('nothing is sent again after a byte has reached the caller', async (t) => {
  const { port, seen } = await start(t, { steps: [ok, cut, unauthorized, cut] })
  t.equal((await call(port)).status, 200, 'now there is a kept connection')
  await t.rejects(call(port), { code: 'ECONNRESET' }, 'the first answer breaks')
  await t.rejects(call(port), { code: 'ECONNRESET' }, 'the answer of a replay breaks')
  t.same(seen(), ['token-1', 'token-1', 'token-1', 'token-2'])
})

t.test('a caller is told why where no new token can be had, and never the raw 401', async (t) => {
  const { port, tokens, seen } = await start(t)
  tokens.state.answer = (response) => response.writeHead(401).end('{"error":"invalid_client"}')
  for (let round = 0; round < 2; round += 1) {
    const answer = await call(port)
    t.match(answer, { status: 502, headers: { 'x-error-code': 'credential_rejected' } })
    t.equal(answer.headers['www-authenticate'], undefined)
  }
  t.same(seen(), ['token-1', 'token-1'], 'there is no other one to go on with')
})

t.test('a caller that leaves during the renewal causes no second request', async (t) => {
  const { port, log, tokens, seen } = await start(t)
  let release: (() => void) | undefined
  tokens.state.answer = (response) => {
    release = () => tokens.grant(response)
  }
  const waits = recordTokenWaits(t)
  const caller = http.get({ port, host: '127.0.0.1', agent: false }).on('error', () => {})
  await until(() => release !== undefined)
  caller.destroy()
  await until(() => log.some(({ msg }) => msg === 'GET / not finished'))
  t.match(await waits.at(-1), { ok: false }, 'its place is free before the renewal ends')
  release?.()
  t.equal((await call(port)).status, 200, 'the token is there for the next caller')
  t.same(seen(), ['token-1', 'token-2'])
})

const INSUFFICIENT = 'Bearer error="insufficient_scope"'

for (const challenge of ['Bearer', CHALLENGE, INSUFFICIENT]) {
  t.test(`a 403 with ${challenge} passes unchanged, and asks for no token`, async (t) => {
    const { port, clock, tokens, seen } = await start(t, {
      reject: (response) => response.writeHead(403, { 'www-authenticate': challenge }).end('raw'),
    })
    clock.state.later = 600_000
    for (let round = 0; round < 2; round += 1) {
      const answer = await call(port)
      t.match(answer, { status: 403, headers: { 'www-authenticate': challenge } })
      t.equal(answer.body.toString(), 'raw')
    }
    t.same(seen(), ['token-1', 'token-1'])
    t.equal(tokens.requests.length, 1)
  })
}

/** An API that refuses the first token it sees for each path. */
const startOfRepeatableMethod = async (t: Parameters<typeof startServer>[0]) => {
  const seen = new Set<string>()
  const api = await startServer(t, (request, response) => {
    const known = seen.has(request.url)
    seen.add(request.url)
    response.writeHead(known ? 200 : 401).end()
  })
  const { port } = await startProxy(t, { api: api.url })
  return { api, port }
}

t.test('a write that hides in a GET is not sent twice', async (t) => {
  for (const [path, headers] of [
    ['/a', { 'X-HTTP-Method': 'POST' }],
    ['/b', { 'x-http-method-override': 'DELETE' }],
    ['/c?_method=POST', {}],
    ['/d', { 'X-HTTP-Method': 'POST, GET' }],
  ] as const) {
    const { api, port } = await startOfRepeatableMethod(t)
    const answer = await call(port, { path, headers })
    t.equal(answer.headers['x-error-code'], 'token_refreshed_retry', path)
    t.equal(api.requests.length, 1)
  }
})

t.test('a plain read is', async (t) => {
  for (const [path, headers] of [
    ['/a', {}],
    ['/b?$top=1&method=x', { 'X-HTTP-Method': 'GET' }],
  ] as const) {
    const { api, port } = await startOfRepeatableMethod(t)
    t.equal((await call(port, { path, headers })).status, 200, path)
    t.equal(api.requests.length, 2)
  }
})
