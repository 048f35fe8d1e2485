import t, { type Test } from 'tap'
import { createCertificateAuthority } from '../../../demo/certificate-authority.ts'
import { check } from '../../../src/commands/check/check.ts'
import {
  HTTP_ONLY,
  jwt,
  run,
  SECRET,
  serve,
  tokenResponse,
  type Served,
} from '../../fixtures/check-run.ts'
import { freePort } from '../../fixtures/free-port.ts'
import { createProcess } from '../../fixtures/process.ts'
import { startRawServer, startStreamingServer } from '../../fixtures/recording-server.ts'

const DAY = 24 * 3_600_000
const inDays = (days: number) => new Date(Date.now() + days * DAY)
const authority = await createCertificateAuthority()
const now = () => Math.floor(Date.now() / 1000)
const CLAIMS = {
  iss: 'https://acme.example/oauth/token',
  aud: ['intas!b2', 'uaa'],
  cid: 'sb-0d3c!b1',
  scope: ['intas!b2.Read', 'uaa.resource'],
  zid: 'zone-1',
  email: 'canary@example.org',
}

t.test(
  'all is well: names, addresses, chain, token and answer are told: exit code 0',
  async (t) => {
    const tls = await authority.issueServer()
    const token = jwt({ ...CLAIMS, iat: now(), exp: now() + 4200 })
    const api = await serve(t, { body: '{"canary":1}' }, tls)
    const tokens = await serve(t, tokenResponse(token), tls)
    const ca = authority.certificate
    const result = await run(t, { api: api.url, tokens: tokens.url, ca })
    t.equal(result.code, 0, result.output)
    for (const pattern of [
      /ok +connection \/: token server and API can be reached/,
      /API 127\.0\.0\.1:\d+ +127\.0\.0\.1, TLSv1\.3/,
      /certificate 1 +127\.0\.0\.1, issued by Demo Authority, 0 days left/,
      /certificate 2 +Demo Authority, issued by Demo Authority/,
      /warning: API .*: the certificate of 127\.0\.0\.1 has 0 days left/,
      /ok +token \/: granted for 4200 s\n/,
      /issuer +acme\.example\n/,
      /audience +intas!b2 uaa\n/,
      /client id +sb-0d3c!b1\n/,
      /scopes +intas!b2\.Read uaa\.resource\n/,
      /zone +zone-1\n/,
      /clock difference +-?[01] s\n/,
      /ok +api \/: answers 200 \(application\/json\)/,
    ]) {
      t.match(result.output, pattern)
    }
    const [request] = api.requests
    t.match(request, {
      method: 'GET',
      url: '/intas/v1/',
      headers: { authorization: `Bearer ${token}` },
    })
    t.equal(tokens.requests.length, 2, 'one for each run')
    t.match(result.json, { ok: true, exitCode: 0 })
    t.match(result.json.steps.at(-2), {
      step: 'token',
      lifetime: 4200,
      claims: { zone: ['zone-1'] },
    })
    t.match(result.json.steps.at(-1), { step: 'api', route: '/', status: 200 })
  },
)

t.test('plain http has no TLS to look at, and an opaque token no claims', async (t) => {
  const api = await serve(t, {})
  const tokens = await serve(t, HTTP_ONLY)
  const environment = { SKP_MOUNTS: '/=entities,/m=management' }
  const { code, output } = await run(t, { api: api.url, tokens: tokens.url, environment })
  t.equal(code, 0, output)
  t.match(output, /API 127\.0\.0\.1:\d+ +127\.0\.0\.1, no TLS/)
  t.match(output, /token \/m: granted for 4200 s, not a JWT/)
  t.strictSame(
    api.requests
      .slice(0, 2)
      .map(({ url }) => url)
      .toSorted(),
    ['/intas/v1/', '/m/'],
  )
  t.equal(tokens.requests.length, 2, 'the routes of a key share one token')
})

t.test('without options it takes the resolver of the system', async (t) => {
  const api = await serve(t, {})
  const tokens = await serve(t, HTTP_ONLY)
  const key = { clientid: 'c', clientsecret: SECRET, entities: api.url, url: tokens.url }
  const { process } = createProcess(
    { SKP_KEY_FILE: 'key.json' },
    { 'key.json': JSON.stringify(key) },
  )
  t.equal(await check(process, {}, false), 0)
})

const TLS: Readonly<
  Record<string, readonly [hosts: string[], from: number, to: number, known: boolean, RegExp]>
> = {
  'of an unknown authority': [['127.0.0.1'], -1, 1, false, /not trusted; name .* SKP_CA_FILE/],
  'for another name': [['other.example'], -1, 1, true, /is for another name; compare the host/],
  'that has expired': [['127.0.0.1'], -3, -1, true, /has expired; its operator must renew it/],
  'that is not valid yet': [['127.0.0.1'], 1, 3, true, /is not valid yet; set the clock/],
}

for (const [title, [hosts, from, to, known, pattern]] of Object.entries(TLS)) {
  t.test(`a certificate ${title}: exit code 12, and its chain is shown`, async (t) => {
    const validity = { notBefore: inDays(from), notAfter: inDays(to) }
    const api = await serve(t, {}, await authority.issueServer(hosts, validity))
    const tokens = await serve(t, HTTP_ONLY)
    const other = await createCertificateAuthority('Other')
    const ca = (known ? authority : other).certificate
    const { code, output } = await run(t, { api: api.url, tokens: tokens.url, ca })
    t.equal(code, 12, output)
    t.match(output, pattern)
    t.match(output, /FAILED +connection \/: no connection to the API/)
    t.match(output, /certificate 1 +\S+, issued by Demo Authority, -?\d+ days left/)
    t.equal(api.requests.length + tokens.requests.length, 0)
  })
}

t.test('no TLS where TLS should be: exit code 12', async (t) => {
  const raw = await startRawServer(t, (socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'))
  const api = `https://127.0.0.1:${raw.port}`
  const { code, output } = await run(t, { api, tokens: api })
  t.equal(code, 12)
  t.match(output, /token server .*the TLS handshake failed; compare the URL/)
  t.match(output, /no connection to the token server and the API/)
})

t.test('a port that refuses: exit code 11', async (t) => {
  const tokens = await serve(t, HTTP_ONLY)
  const api = `http://127.0.0.1:${await freePort()}`
  const { code, output } = await run(t, { api, tokens: tokens.url })
  t.equal(code, 11)
  t.match(output, /no TCP connection to port \d+ \(ECONNREFUSED\); .*firewall/)
  t.equal(tokens.requests.length, 0)
})

/** An address of the loopback network that nothing listens on. */
const nobody = async () => [{ address: '127.93.84.75', family: 4 }]
const noAddress = () => Promise.reject(Object.assign(new Error('none'), { code: 'ENOTFOUND' }))

t.test('the ports of the schemes are the usual ones', async (t) => {
  const urls = { api: 'https://api.example', tokens: 'http://localhost' }
  const { code, output } = await run(t, { ...urls, lookup: nobody })
  t.equal(code, 11)
  t.match(output, /token server localhost: no TCP connection to port 80 /)
  t.match(output, /API api\.example: no TCP connection to port 443 /)
})

t.test('a host without address: exit code 11', async (t) => {
  const { code, output } = await run(t, {
    api: 'https://a.example',
    tokens: 'https://b.example',
    lookup: noAddress,
  })
  t.equal(code, 11)
  t.match(output, /API a\.example: the host name cannot be resolved \(ENOTFOUND\); compare it/)
})

/** The time that a run has, until it is over. */
const limitedTime = () => {
  let controller = new AbortController()
  return {
    deadline: () => (controller = new AbortController()).signal,
    end: () => controller.abort(new DOMException('over', 'TimeoutError')),
  }
}

t.test('a resolver that hangs ends with the time there is: exit code 11', async (t) => {
  const api = 'https://api.example'
  const { deadline, end } = limitedTime()
  const lookup = () => {
    setImmediate(end)
    return new Promise<never>(() => {})
  }
  const { code, output } = await run(t, { api, tokens: api, lookup, deadline })
  t.equal(code, 11)
  t.match(output, /cannot be resolved \(no answer in time\)/)
})

t.test('a server that never answers the TLS handshake: exit code 12 in time', async (t) => {
  const { deadline, end } = limitedTime()
  const raw = await startRawServer(t, (socket) => void socket.once('data', end))
  const tokens = await serve(t, HTTP_ONLY)
  const api = `https://127.0.0.1:${raw.port}`
  const { code, output } = await run(t, { api, tokens: tokens.url, deadline })
  t.equal(code, 12, output)
  t.match(output, /the TLS handshake failed; .* \(no answer in time\)/)
})

t.test('a step without time left says so', async (t) => {
  const api = 'https://api.example'
  const { code, output } = await run(t, { api, tokens: api, deadline: () => AbortSignal.abort() })
  t.equal(code, 11)
  t.match(output, /FAILED +connection \/: not looked at\n +problem: the steps before it took/)
})

const TOKEN_FAILURES: readonly (readonly [title: string, Served, code: number, RegExp])[] = [
  [
    '401',
    { status: 401, body: '{"error":"invalid_client"}' },
    13,
    /the token server answered 401 invalid_client; the key may have been deleted/,
  ],
  [
    '400 for the scope',
    {
      status: 400,
      body: JSON.stringify({ error: 'invalid_scope', error_description: `not for ${SECRET}` }),
    },
    13,
    /answered 400 invalid_scope \("not for \[redacted\]"\); the client may not have the scope/,
  ],
  ['401 without an OAuth error', { status: 401, body: 'no' }, 14, /error; this is no token endp/],
  ['a web page', { type: 'text/html', body: '<p>canary' }, 14, /a web page; this is no token end/],
  ['429', { status: 429 }, 14, /answered 429; wait a minute/],
  ['503', { status: 503 }, 14, /answered 503; try again; if it lasts/],
]

for (const [title, response, expected, pattern] of TOKEN_FAILURES) {
  t.test(`the token server answers ${title}: exit code ${expected}`, async (t) => {
    const api = await serve(t, {})
    const tokens = await serve(t, response)
    const { code, output } = await run(t, { api: api.url, tokens: tokens.url })
    t.equal(code, expected, output)
    t.match(output, /FAILED +token \/: there is no token/)
    t.match(output, pattern)
    t.equal(api.requests.length, 0)
  })
}

const hanging = async (t: Test) => {
  const { deadline, end } = limitedTime()
  const { url } = await startStreamingServer(t, end)
  return { url, deadline }
}

t.test('a token server that hangs: exit code 14 in time', async (t) => {
  const api = await serve(t, {})
  const { url, deadline } = await hanging(t)
  const { code, output } = await run(t, { api: api.url, tokens: url, deadline })
  t.equal(code, 14)
  t.match(output, /the token server gave no complete answer in time; try again/)
})

t.test('a token server that outlasts SKP_TOKEN_TIMEOUT: exit code 14', async (t) => {
  const server = await startStreamingServer(t, () => {})
  const environment = { SKP_TOKEN_TIMEOUT: '50ms' }
  const { code } = await run(t, { api: server.url, tokens: server.url, environment })
  t.equal(code, 14)
})

t.test('an API that hangs: exit code 15 in time', async (t) => {
  const tokens = await serve(t, HTTP_ONLY)
  const { url, deadline } = await hanging(t)
  const { code, output } = await run(t, { api: url, tokens: tokens.url, deadline })
  t.equal(code, 15)
  t.match(output, /the API gave no answer \(not in time\); try again/)
})

t.test('an API that hangs up: exit code 15', async (t) => {
  const tokens = await serve(t, HTTP_ONLY)
  const api = await startRawServer(t, (socket) => void socket.once('data', () => socket.end()))
  const { code, output } = await run(t, { api: api.url, tokens: tokens.url })
  t.equal(code, 15)
  t.match(output, /the API gave no answer \(UND_ERR_SOCKET\)/)
})

const API_FAILURES: readonly (readonly [status: number, RegExp])[] = [
  [302, /leads somewhere else/],
  [401, /does not accept the token/],
  [403, /compare its scopes/],
  [404, /SKP_TARGET/],
  [418, /compare the base URL/],
  [429, /limits the rate/],
  [500, /failure of its own/],
]

for (const [status, pattern] of API_FAILURES) {
  t.test(`the API answers ${status}: exit code 15`, async (t) => {
    const headers = { location: 'https://canary.example' }
    const api = await serve(t, { status, body: 'canary', headers })
    const tokens = await serve(t, HTTP_ONLY)
    const { code, output } = await run(t, { api: api.url, tokens: tokens.url })
    t.equal(code, 15)
    t.match(output, new RegExp(`problem: the API answered ${status}; `))
    t.match(output, pattern)
  })
}

t.test('what is odd about an answer of the API is a warning', async (t) => {
  const date = new Date(Date.now() + 3_600_000).toUTCString()
  const api = await serve(t, { type: 'text/html', headers: { date } })
  const tokens = await serve(t, tokenResponse(jwt({ iat: now() + 7200, iss: 1 })))
  const { code, output } = await run(t, { api: api.url, tokens: tokens.url })
  t.equal(code, 0)
  t.match(output, /warning: it answers with a web page/)
  t.match(output, /warning: its clock differs from the one of this machine by 3\d\d\d s/)
  t.match(output, /warning: the token was made 7\d\d\d s after now/)
})

t.test('an old token is a warning, and an answer needs neither type nor date', async (t) => {
  const api = await startRawServer(t, (socket) => {
    socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}'))
  })
  const tokens = await serve(t, tokenResponse(jwt({ iat: now() - 600 })))
  const { code, output } = await run(t, { api: api.url, tokens: tokens.url })
  t.equal(code, 0, output)
  t.match(output, /warning: the token was made 60\d s before now/)
  t.match(output, /answers 200 \(no type\)/)
})

t.test('a secret that a server sends back is cut out', async (t) => {
  const api = await serve(t, { type: `text/${SECRET}` })
  const tokens = await serve(
    t,
    tokenResponse(jwt({ cid: SECRET, aud: SECRET, zid: 'a\u001b[31m\n' })),
  )
  const { code, output } = await run(t, { api: api.url, tokens: tokens.url })
  t.equal(code, 0)
  t.match(output, /client id +\[redacted\]\n/)
  t.match(output, /zone +a\?\[31m\?\n/)
})

const clientKey = async () => {
  const client = await authority.issueClient('sb-client', { notAfter: inDays(6) })
  return { certificate: client.certificate, key: client.key, 'credential-type': 'x509' }
}

t.test('the certificate of an X.509 key is shown to the token server only', async (t) => {
  const { certificate: ca } = authority
  const tls = { ...(await authority.issueServer()), clientAuthority: ca }
  const tokens = await serve(t, HTTP_ONLY, tls)
  const api = await serve(t, {})
  const options = { api: api.url, tokens: tokens.url, key: await clientKey(), ca }
  const { code, output } = await run(t, options)
  t.equal(code, 0, output)
})

t.test('a client certificate that is refused: exit code 13', async (t) => {
  const api = await serve(t, {})
  // The fatal TLS alert unknown_ca in answer to the ClientHello (RFC 8446 §6).
  const raw = await startRawServer(t, (socket) => {
    socket.once('data', () => socket.end(Buffer.from([0x15, 3, 3, 0, 2, 2, 48])))
  })
  const tokens = `https://127.0.0.1:${raw.port}`
  const { code, output } = await run(t, { api: api.url, tokens, key: await clientKey() })
  t.equal(code, 13, output)
  t.match(output, /refused the client certificate \(ERR_SSL_\w+\); create a new X\.509 key/)
  const other = await run(t, { api: api.url, tokens })
  t.equal(other.code, 12, 'without one it is not about a credential')
})

t.test('wrong settings keep it from the network', async (t) => {
  const api = await serve(t, {})
  const environment = { SKP_PORT: 'x' }
  const { code } = await run(t, { api: api.url, tokens: api.url, environment })
  t.equal(code, 2)
  t.equal(api.connections(), 0)
})
