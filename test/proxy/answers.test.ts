/** What the caller sees: every answer that the proxy makes itself, on the wire. */
import t, { type Test } from 'tap'
import type { OutgoingHttpHeaders, ServerResponse } from 'node:http'
import { createCertificateAuthority } from '../../demo/certificate-authority.ts'
import { call, type Answer, type Call } from '../fixtures/http-client.ts'
import { createMovedClock } from '../fixtures/moved-clock.ts'
import { CLIENT_SECRET, startProxy } from '../fixtures/proxy.ts'
import { startRawServer, startServer } from '../fixtures/recording-server.ts'

type Respond = (response: ServerResponse) => void
type Answers = readonly [first: Respond, ...later: Respond[]]

const TOKEN = 'secret-token'
const grant: Respond = (response) => {
  response.setHeader('content-type', 'application/json')
  response.end(JSON.stringify({ access_token: TOKEN, expires_in: 43_199 }))
}
const answer =
  (status: number, headers: OutgoingHttpHeaders = {}): Respond =>
  (response) =>
    response.writeHead(status, headers).end('internal.example says no')
/** As RFC 6749 §5.2 has it. */
const refuse =
  (status: number): Respond =>
  (response) =>
    response
      .writeHead(status, { 'content-type': 'application/json' })
      .end('{"error":"invalid_client","error_description":"internal.example says no"}')
const silent: Respond = () => {}

/** A server that gives these answers one after the other, and the last one for ever. */
const startAnswering = async (t: Test, answers: Answers): Promise<string> => {
  let given = 0
  const { url } = await startServer(t, (_request, response) => {
    const respond = answers[Math.min(given, answers.length - 1)]
    given += 1
    respond?.(response)
  })
  return url
}

const closedServer = async (t: Test): Promise<string> => {
  const { url, close } = await startServer(t, () => {})
  await close()
  return url
}

interface Row {
  readonly status: number
  readonly code: string
  readonly origin?: 'token-server'
  /** `Retry-After`, which is absent otherwise. */
  readonly retryAfter?: string
  readonly request?: Call
  readonly settings?: Readonly<Record<string, string>>
  /** In the text, beside what its code says. */
  readonly text?: RegExp
  /** Where the answers of the API, or of the token server, are the cause. */
  readonly api?: Answers | ((t: Test) => Promise<string>)
  readonly tokens?: Answers | ((t: Test) => Promise<string>)
}

const UNAVAILABLE = { status: 503, code: 'token_unavailable', origin: 'token-server' } as const
const LIMITED = { status: 503, code: 'token_rate_limited', origin: 'token-server' } as const
const REJECTED = { status: 502, code: 'credential_rejected', origin: 'token-server' } as const
const MISLED = { status: 502, code: 'token_endpoint_invalid', origin: 'token-server' } as const
const UNAUTHORIZED = answer(401, { 'www-authenticate': 'Bearer' })
/** The first token is fetched at the start, the second one because of a 401. */
const RENEWED = { api: [UNAUTHORIZED] } as const
const WRITE = { method: 'POST', body: '{}', headers: { 'content-length': 2 } }

const rawServer = (serve: Parameters<typeof startRawServer>[1]) => async (t: Test) =>
  (await startRawServer(t, serve)).url

const untrusted = async (t: Test): Promise<string> => {
  const authority = await createCertificateAuthority()
  return (
    await startServer(t, (_request, response) => grant(response), await authority.issueServer())
  ).url
}

const ROWS: Readonly<Record<string, Row>> = {
  'the token server is unreachable': { ...UNAVAILABLE, retryAfter: '1', tokens: closedServer },
  'the token server is slow': {
    ...UNAVAILABLE,
    retryAfter: '1',
    tokens: [silent],
    settings: { SKP_TOKEN_WAIT: '50ms' },
  },
  'the token server answers 5xx': { ...UNAVAILABLE, retryAfter: '1', tokens: [answer(502)] },
  'the token server answers 429': {
    ...LIMITED,
    retryAfter: '30',
    tokens: [answer(429, { 'retry-after': '30' })],
  },
  'the token server answers 429 and asks for an hour': {
    ...LIMITED,
    retryAfter: '60',
    tokens: [answer(429, { 'retry-after': '3600' })],
  },
  'the token server refuses with 400': { ...REJECTED, tokens: [refuse(400)] },
  'the token server refuses with 401': { ...REJECTED, tokens: [refuse(401)] },
  'the token server refuses with 403': { ...REJECTED, tokens: [refuse(403)] },
  'a 401 without an OAuth error comes from where tokens should': {
    ...MISLED,
    tokens: [answer(401)],
  },
  'the token URL leads nowhere': { ...MISLED, tokens: [answer(404)] },
  'the token URL leads elsewhere': { ...MISLED, tokens: [answer(302, { location: '/login' })] },
  'the token URL leads to a web page': {
    ...MISLED,
    tokens: [answer(200, { 'content-type': 'text/html' })],
  },
  'the API rejects the token, and there is no other': {
    ...UNAVAILABLE,
    ...RENEWED,
    retryAfter: '1',
    tokens: [grant, answer(502)],
  },
  'the API rejects the token, and the token server limits': {
    ...LIMITED,
    ...RENEWED,
    retryAfter: '20',
    tokens: [grant, answer(429, { 'retry-after': '20' })],
  },
  'the API rejects the token, and the token server the credential': {
    ...REJECTED,
    ...RENEWED,
    tokens: [grant, refuse(401)],
  },
  'the API rejects the new token as well': {
    ...RENEWED,
    status: 502,
    code: 'upstream_rejected_token',
  },
  'the API rejects the token of a write': {
    ...RENEWED,
    status: 503,
    code: 'token_refreshed_retry',
    retryAfter: '1',
    request: WRITE,
  },
  'the API refuses connections': { status: 502, code: 'upstream_connect', api: closedServer },
  'the API has no address': {
    status: 502,
    code: 'upstream_dns',
    api: async () => 'http://host.invalid',
  },
  'the certificate of the API is not trusted': {
    status: 502,
    code: 'upstream_tls',
    api: untrusted,
  },
  'the API closes the connection': {
    status: 502,
    code: 'upstream_reset',
    api: rawServer((socket) => socket.once('data', () => socket.destroy())),
  },
  'the API gives no answer': {
    status: 504,
    code: 'upstream_timeout',
    api: [silent],
    settings: { SKP_RESPONSE_TIMEOUT: '50ms' },
    text: /SKP_RESPONSE_TIMEOUT=50ms/,
  },
  'the body is too large': {
    status: 413,
    code: 'body_too_large',
    settings: { SKP_MAX_BODY: '1KB' },
    request: { method: 'POST', body: Buffer.alloc(1025), headers: { 'content-length': 1025 } },
  },
  'the method is not allowed': { status: 405, code: 'not_allowed', request: { method: 'TRACE' } },
  'the target leaves the base path': {
    status: 400,
    code: 'bad_request',
    request: { path: '/%2e%2e/management' },
  },
}

const start = async (t: Test, row: Partial<Row>) => {
  const urlOf = async (source: Row['api'], otherwise: Respond) =>
    typeof source === 'function' ? source(t) : startAnswering(t, source ?? [otherwise])
  const api = await urlOf(row.api, answer(200))
  const tokenEndpoint = `${await urlOf(row.tokens, grant)}/oauth/token`
  const { settings = {} } = row
  const clock = createMovedClock()
  const { port, log } = await startProxy(t, { api, tokenEndpoint, settings, clock })
  if (row.api === RENEWED.api) {
    while (log.every(({ msg }) => msg !== 'token obtained')) await new Promise(setImmediate)
    // The least time between two token requests is over.
    clock.state.later = 1_000
  }
  return { port, clock: clock.state }
}

const IDS = { 'x-request-id': 'request-1', 'x-correlation-id': 'correlation-1' }
const V4 = { 'odata-version': '4.0' }

/** Nothing of this is a caller's business. */
const SECRETS = [
  CLIENT_SECRET,
  TOKEN,
  'sb-client',
  '127.0.0.1',
  'localhost',
  '.invalid',
  'internal.',
]

const leaks = ({ rawHeaders, body }: Answer): string[] => {
  const whole = `${rawHeaders.join('\n')}\n${body.toString()}`
  const stack = /\bat .+:\d+:\d+|node:|\.[jt]s\b|Error\b/.test(whole) ? ['a stack'] : []
  return [...SECRETS.filter((secret) => whole.includes(secret)), ...stack]
}

for (const [title, row] of Object.entries(ROWS)) {
  t.test(`when ${title}: ${row.status} ${row.code}`, async (t) => {
    const { port } = await start(t, row)
    const request = row.request ?? {}
    const headers = { ...(request.headers as OutgoingHttpHeaders), ...IDS }
    const v2 = await call(port, { ...request, headers })
    t.match(v2, {
      status: row.status,
      headers: {
        ...IDS,
        'content-type': 'application/json',
        'x-error-code': row.code,
        'x-error-origin': row.origin ?? 'service-key-proxy',
        'retry-after': row.retryAfter,
        'www-authenticate': undefined,
        allow: row.status === 405 ? /GET/ : undefined,
      },
    })
    const { error } = JSON.parse(v2.body.toString()) as { error: Record<string, unknown> }
    const message = { lang: 'en', value: row.text ?? /^[A-Z].+\.$/ }
    t.match(error, { code: row.code, message })
    t.same(leaks(v2), [])
  })
}

t.test('a caller that speaks OData V4 gets the text plain', async (t) => {
  for (const row of Object.values(ROWS)) {
    const { port } = await start(t, row)
    const request = row.request ?? {}
    const headers = { ...(request.headers as OutgoingHttpHeaders), ...V4 }
    const { error } = JSON.parse((await call(port, { ...request, headers })).body.toString()) as {
      error: Record<string, unknown>
    }
    t.match(error, { code: row.code, message: /^[A-Z].+\.$/ })
  }
})

t.test('Retry-After is true: a second too early it is too early, then it helps', async (t) => {
  const row = { ...LIMITED, tokens: [answer(429, { 'retry-after': '30' }), grant] } as const
  const { port, clock } = await start(t, row)
  t.match(await call(port), { status: 503, headers: { 'retry-after': '30' } })
  clock.later = 29_000
  t.match(await call(port), { status: 503, headers: { 'retry-after': '1' } })
  clock.later = 30_000
  t.match(await call(port), { status: 200, headers: { 'retry-after': undefined } })
})

t.test('an answer of the API is passed on unchanged, whatever its status', async (t) => {
  for (const status of [400, 403, 404, 408, 429, 500, 502, 503, 504]) {
    const api: Answers = [answer(status, { 'retry-after': '7', 'x-api': 'yes' })]
    const { port } = await start(t, { api })
    const passed = await call(port, { headers: IDS })
    t.match(passed, {
      status,
      headers: { ...IDS, 'retry-after': '7', 'x-api': 'yes', 'x-error-code': undefined },
    })
    t.equal(passed.body.toString(), 'internal.example says no')
  }
})
