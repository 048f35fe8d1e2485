/** HTTPS_PROXY on the wire: what the proxy in between sees, and what it can do. */
import { checkServerIdentity, type PeerCertificate } from 'node:tls'
import t, { type Test } from 'tap'
import { createCertificateAuthority, type Identity } from '../../demo/certificate-authority.ts'
import { systemClock } from '../../src/clock.ts'
import { loadProxies } from '../../src/outbound/proxy-environment.ts'
import { ClientCredentialsGrant } from '../../src/token/client-credentials-grant.ts'
import { startConnectProxy, type ConnectProxyOptions } from '../fixtures/connect-proxy.ts'
import { freePort } from '../fixtures/free-port.ts'
import { call } from '../fixtures/http-client.ts'
import { startProxy, TOKEN } from '../fixtures/proxy.ts'
import { startRawServer, startServer } from '../fixtures/recording-server.ts'

const API = 'api.example.test'
const TOKENS = 'tokens.example.test'
const authority = await createCertificateAuthority()
const identity = await authority.issueServer([API, TOKENS])
const rogue = await createCertificateAuthority('Rogue')

const PASSWORD = 'canary+pass/word'
const proxyUrl = (port: number, scheme = 'http'): string =>
  `${scheme}://user:${encodeURIComponent(PASSWORD)}@localhost:${port}`

const grantToken = { access_token: TOKEN, token_type: 'bearer', expires_in: 43_199 }

const startServers = async (t: Test, tls: Identity = identity) => ({
  api: await startServer(t, (_request, response) => response.end('{}'), tls),
  tokens: await startServer(
    t,
    (_request, response) => {
      response.setHeader('content-type', 'application/json')
      response.end(JSON.stringify(grantToken))
    },
    identity,
  ),
})

interface Scene extends ConnectProxyOptions {
  readonly environment?: Readonly<Record<string, string>>
  readonly scheme?: string
  readonly api?: string
  readonly settings?: Readonly<Record<string, string>>
  /** Where tokens come from without a proxy. */
  readonly direct?: true
}

const start = async (t: Test, { environment, scheme, api, settings, direct, ...scene }: Scene) => {
  const between = await startConnectProxy(t, scene)
  const { proxyFor } = loadProxies({ HTTPS_PROXY: proxyUrl(between.port, scheme), ...environment })
  const proxy = await startProxy(t, {
    api: api ?? `https://${API}/v1`,
    ...(direct === true ? {} : { tokenEndpoint: `https://${TOKENS}/oauth/token` }),
    ca: [authority.certificate],
    proxyFor,
    ...(settings === undefined ? {} : { settings }),
  })
  return { ...proxy, between }
}

const portsOf = ({ api, tokens }: Awaited<ReturnType<typeof startServers>>) => ({
  [`${API}:443`]: api.port,
  [`${TOKENS}:443`]: tokens.port,
})

t.test('API and token server are reached through the proxy, which learns no more', async (t) => {
  const servers = await startServers(t)
  const { port, between, log } = await start(t, { hosts: portsOf(servers) })
  const body = '{"Name":"canary"}'
  for (let i = 0; i < 3; i += 1) {
    const headers = { 'content-type': 'application/json', 'x-list': ['a', 'b'] }
    const answer = await call(port, { method: 'POST', path: '/Vendor?canary=1', body, headers })
    t.equal(answer.status, 200)
  }
  t.match(servers.api.requests[0], {
    url: '/v1/Vendor?canary=1',
    headers: { authorization: `Bearer ${TOKEN}`, host: API, 'x-list': 'a, b' },
  })
  t.equal(servers.api.connections(), 1, 'the tunnel is kept for further requests')
  const credential = Buffer.from(`user:${PASSWORD}`).toString('base64')
  for (const { target, rawHeaders } of between.asked) {
    t.same(
      rawHeaders.filter(
        (_, i) => i % 2 === 0 || /^(?:close|keep-alive)$/i.test(rawHeaders[i] ?? ''),
      ),
      rawHeaders.filter((value) => value !== target && value !== `Basic ${credential}`),
      'host, its own credential and nothing else',
    )
  }
  t.same(between.asked.map(({ target }) => target).toSorted(), [`${API}:443`, `${TOKENS}:443`])
  t.notMatch(JSON.stringify(between.asked), /Vendor|Bearer|a\+client/)
  t.notMatch(JSON.stringify(log), /canary/)
})

t.test('the certificate at the end of the tunnel is verified', async (t) => {
  for (const tls of [
    await rogue.issueServer([API]),
    await authority.issueServer(['other.example.test']),
  ]) {
    const servers = await startServers(t, tls)
    const { port } = await start(t, { hosts: portsOf(servers) })
    t.equal((await call(port)).headers['x-error-code'], 'upstream_tls')
    t.equal(servers.api.requests.length, 0, 'and no request gets there')
  }
})

t.test('what NO_PROXY names is reached directly', async (t) => {
  const hosts = { [`${TOKENS}:443`]: (await startServers(t)).tokens.port }
  const environment = { NO_PROXY: API }
  const { port, between } = await start(t, { hosts, environment })
  // No resolver knows that name.
  t.match((await call(port)).headers['x-error-code'], /^upstream_(?:dns|connect)$/)
  t.same(
    between.asked.map(({ target }) => target),
    [`${TOKENS}:443`],
  )
})

t.test('loopback is never asked for at a proxy', async (t) => {
  const { api, tokens } = await startServers(t, await authority.issueServer())
  const hosts = { [`${TOKENS}:443`]: tokens.port }
  const { port, between } = await start(t, { hosts, api: api.url })
  t.equal((await call(port)).status, 200)
  t.equal(between.asked.length, 1)
})

t.test('a base URL without TLS goes through a tunnel of HTTP_PROXY', async (t) => {
  const api = await startServer(t, (_request, response) => response.end('{}'))
  const hosts = { [`${API}:80`]: api.port, [`${API}:8080`]: api.port }
  const between = await startConnectProxy(t, { hosts })
  const { proxyFor } = loadProxies({ http_proxy: `localhost:${between.port}` })
  for (const base of [`http://${API}`, `http://${API}:8080`]) {
    const { port } = await startProxy(t, { api: base, proxyFor })
    t.equal((await call(port)).status, 200, base)
  }
  t.notMatch(JSON.stringify(between.asked), /authorization/, 'without a credential none is sent')
})

t.test('an address is named to the proxy as URLs have it', async (t) => {
  const api = await startServer(t, (_request, response) => response.end('{}'))
  const between = await startConnectProxy(t, { hosts: { '[2001:db8::1]:80': api.port } })
  const { proxyFor } = loadProxies({ http_proxy: `localhost:${between.port}` })
  const { port } = await startProxy(t, { api: 'http://[2001:db8::1]', proxyFor })
  t.equal((await call(port)).status, 200)
})

/** Node 22.23 refuses certificates of such addresses, with or without a proxy. */
const takesAddresses =
  checkServerIdentity('2001:db8::1', {
    subjectaltname: 'IP Address:2001:DB8:0:0:0:0:0:1',
    subject: {},
  } as PeerCertificate) === undefined

t.test('a certificate of an address is valid at the end of a tunnel as elsewhere', async (t) => {
  const servers = await startServers(t, await authority.issueServer(['2001:db8::1']))
  const hosts = { '[2001:db8::1]:443': servers.api.port }
  const { port } = await start(t, { hosts, api: 'https://[2001:db8::1]', direct: true })
  const { status, headers } = await call(port)
  if (takesAddresses) t.equal(status, 200)
  else t.equal(headers['x-error-code'], 'upstream_tls')
})

t.test('a proxy may speak TLS itself, and must then be trusted', async (t) => {
  const servers = await startServers(t)
  const hosts = portsOf(servers)
  const trusted = await start(t, { hosts, scheme: 'https', tls: await authority.issueServer() })
  t.equal((await call(trusted.port)).status, 200)
  const scene = { hosts, scheme: 'https', tls: await rogue.issueServer(), direct: true } as const
  const { port, between } = await start(t, scene)
  const answer = await call(port)
  t.match(answer.body.toString(), /The proxy of HTTPS_PROXY could not be asked \([A-Z_]+\)/)
  t.equal(between.asked.length, 0, 'its credential is shown to nobody else')
})

const REFUSALS: readonly (readonly [string, ConnectProxyOptions, RegExp])[] = [
  ['allows no connection', { refuseWith: 403 }, /answered 403: it does not allow connections/],
  ['wants another credential', { refuseWith: 407 }, /answered 407: its URL needs a credential/],
  ['fails', { refuseWith: 500 }, /answered 500: it failed itself/],
  ['does not reach the API', { refuseWith: 502 }, /answered 502: it did not reach the host/],
  ['has no room', { refuseWith: 503 }, /answered 503: it has no room for now, or no way/],
  ['waits in vain', { refuseWith: 504 }, /answered 504: the host did not answer it in time/],
  ['means something else', { refuseWith: 418 }, /answered 418: it opened no tunnel/],
  ['never answers', { refuseWith: 0 }, /opened no tunnel in time/],
]

for (const [name, refusal, words] of REFUSALS) {
  t.test(`a proxy that ${name} is told apart from the API`, async (t) => {
    const settings = { SKP_CONNECT_TIMEOUT: '50ms' }
    const { port, log } = await start(t, { ...refusal, settings, direct: true })
    const answer = await call(port)
    t.match(answer, { status: 502, headers: { 'x-error-code': 'upstream_connect' } })
    t.match(answer.body.toString(), /The proxy of HTTPS_PROXY /)
    t.match(answer.body.toString(), words)
    t.notMatch(answer.body.toString(), /canary|localhost|example\.test/)
    t.match(
      log.find(({ code }) => code === 'ERR_OUTBOUND_PROXY'),
      { reason: words },
    )
    t.notMatch(JSON.stringify(log), /canary/)
  })
}

t.test('a proxy that is not there is told apart from the token server', async (t) => {
  const port = await freePort()
  const { proxyFor } = loadProxies({ HTTPS_PROXY: proxyUrl(port) })
  const tokenEndpoint = `https://${TOKENS}/oauth/token`
  const settings = { SKP_TOKEN_WAIT: '10s' }
  const proxy = await startProxy(t, { tokenEndpoint, proxyFor, settings })
  const answer = await call(proxy.port)
  t.match(answer, { status: 503, headers: { 'x-error-code': 'token_unavailable' } })
  const words = /The proxy of HTTPS_PROXY could not be asked \(ECONNREFUSED\)/
  t.match(answer.body.toString(), words)
  t.match(JSON.stringify(proxy.log), words)
})

t.test('SKP_CONNECT_TIMEOUT is for the tunnel and TLS in it together', async (t) => {
  const silent = await startRawServer(t, () => {})
  const settings = { SKP_CONNECT_TIMEOUT: '100ms' }
  const hosts = { [`${API}:443`]: silent.port }
  const { port } = await start(t, { hosts, settings, direct: true })
  const answer = await call(port)
  t.equal(answer.headers['x-error-code'], 'upstream_timeout')
  t.match(answer.body.toString(), /SKP_CONNECT_TIMEOUT=100ms/)
})

t.test('the certificate of the client is shown at the end of the tunnel only', async (t) => {
  const clients = await createCertificateAuthority('Clients')
  const { certificate, key } = await clients.issueClient('sb-client!b1')
  const server = await startServer(
    t,
    (_request, response) => response.end(JSON.stringify(grantToken)),
    {
      ...identity,
      clientAuthority: clients.certificate,
    },
  )
  const tls = await authority.issueServer()
  const hosts = { [`${TOKENS}:443`]: server.port }
  const between = await startConnectProxy(t, { hosts, tls })
  const endpoint = new URL(`https://${TOKENS}/oauth/token`)
  const grant = new ClientCredentialsGrant({
    endpoint,
    clientId: 'sb-client!b1',
    authentication: { method: 'tls_client_auth', certificate, privateKey: key },
    scope: undefined,
    params: undefined,
    ca: [authority.certificate],
    proxy: loadProxies({ HTTPS_PROXY: `https://localhost:${between.port}` }).proxyFor(endpoint),
    timeout: 5_000,
    userAgent: 'service-key-proxy/test',
    clock: systemClock,
    random: () => 0.5,
  })
  t.teardown(() => grant.close())
  t.match(await grant.request(new AbortController().signal), { ok: true, token: { value: TOKEN } })
  t.same(between.shown, [], 'the proxy was shown none')
})
