import t, { type Test } from 'tap'
import { createCertificateAuthority } from '../../demo/certificate-authority.ts'
import { systemClock } from '../../src/clock.ts'
import { ClientCredentialsGrant } from '../../src/token/client-credentials-grant.ts'
import { ManualClock } from '../fixtures/manual-clock.ts'
import { type Respond, startRawServer, startServer } from '../fixtures/recording-server.ts'

const NEVER = new AbortController().signal
const HOUR_MS = 3_600_000

const authority = await createCertificateAuthority()
const clients = await createCertificateAuthority('Clients')

const startMutualServer = async (t: Test, version?: 'TLSv1.2' | 'TLSv1.3') =>
  startServer(t, (_request, response) => response.end('{"access_token":"abc.def.ghi"}'), {
    ...(await authority.issueServer()),
    clientAuthority: clients.certificate,
    ...(version === undefined ? {} : { version }),
  })

const createGrant = (
  t: Test,
  url: string,
  identity: { readonly certificate: string; readonly key: string } | undefined,
  clock = systemClock,
) => {
  const grant = new ClientCredentialsGrant({
    endpoint: new URL(`${url}/oauth/token`),
    clientId: 'sb-client!b1',
    authentication:
      identity === undefined
        ? { method: 'client_secret_post', clientSecret: 'a-secret-and-no-certificate' }
        : {
            method: 'tls_client_auth',
            certificate: identity.certificate,
            privateKey: identity.key,
          },
    scope: undefined,
    params: undefined,
    ca: [authority.certificate],
    timeout: 5_000,
    proxy: undefined,
    userAgent: 'service-key-proxy/test',
    clock,
    random: () => 0.5,
  })
  t.teardown(() => grant.close())
  return grant
}

t.test('the certificate proves the client; no secret is sent', async (t) => {
  const server = await startMutualServer(t)
  const grant = createGrant(t, server.url, await clients.issueClient('sb-client!b1'))
  t.match(await grant.request(NEVER), { ok: true, token: { value: 'abc.def.ghi' } })
  const form = new URLSearchParams(server.requests[0]?.body.toString())
  t.same(Object.fromEntries(form), { grant_type: 'client_credentials', client_id: 'sb-client!b1' })
})

t.test('a certificate of another authority reaches no endpoint', async (t) => {
  const server = await startMutualServer(t)
  const grant = createGrant(t, server.url, await authority.issueClient('sb-client!b1'))
  t.match(await grant.request(NEVER), { ok: false })
  t.equal(server.requests.length, 0)
})

t.test('a server that refuses the certificate rejects the credential', async (t) => {
  const alerts = { unknown_ca: 48, bad_certificate: 42, certificate_expired: 45, access_denied: 49 }
  for (const [name, code] of Object.entries(alerts)) {
    // A fatal TLS alert in answer to the ClientHello (RFC 8446 §6).
    const server = await startRawServer(t, (socket) => {
      socket.once('data', () => socket.end(Buffer.from([0x15, 3, 3, 0, 2, 2, code])))
    })
    const url = server.url.replace('http:', 'https:')
    const grant = createGrant(t, url, await clients.issueClient('sb-client!b1'))
    const outcome = await grant.request(NEVER)
    const reason = /^refused the client certificate \(ERR_SSL_/
    t.match(outcome, { ok: false, failure: { kind: 'rejected', reason } }, name)
  }
})

t.test('a refusal after the handshake, as TLS 1.3 has it, rejects the credential', async (t) => {
  const now = Date.now()
  const past = { notBefore: new Date(now - 2 * HOUR_MS), notAfter: new Date(now - HOUR_MS) }
  const identities = {
    'of another authority': await authority.issueClient('sb-client!b1'),
    expired: await clients.issueClient('sb-client!b1', past),
    missing: undefined,
  }
  // Its own clock would keep the proxy from showing the expired one.
  const clock = new ManualClock()
  clock.jumpWall(now - 1.5 * HOUR_MS - clock.now().wall)
  for (const [name, identity] of Object.entries(identities)) {
    const server = await startMutualServer(t, 'TLSv1.3')
    const grant = createGrant(t, server.url, identity, name === 'expired' ? clock : systemClock)
    const reason =
      identity === undefined
        ? /^refused a connection without a client certificate \(ERR_SSL_TLSV13_ALERT_/
        : /^closed the connection as soon as it had seen the client certificate \(/
    t.match(await grant.request(NEVER), { failure: { kind: 'rejected', reason } }, name)
    t.match(await grant.request(NEVER), { failure: { kind: 'rejected', reason } }, 'once more')
    t.equal(server.requests.length, 0, name)
  }
  const server = await startMutualServer(t, 'TLSv1.3')
  const grant = createGrant(t, server.url, await clients.issueClient('sb-client!b1'))
  t.match(await grant.request(NEVER), { ok: true }, 'a good one')
})

t.test('under TLS 1.2 the handshake fails, which is no success either', async (t) => {
  const server = await startMutualServer(t, 'TLSv1.2')
  const missing = await createGrant(t, server.url, undefined).request(NEVER)
  const reason = /^refused a connection without a client certificate \(ERR_SSL_.*HANDSHAKE_FAILURE/
  t.match(missing, { ok: false, failure: { kind: 'rejected', reason } })
  const other = createGrant(t, server.url, await authority.issueClient('sb-client!b1'))
  // This server only hangs up: that may be anything, also a failure that passes.
  const hungUp = { kind: 'transient', reason: 'could not be asked (ECONNRESET)' }
  t.match(await other.request(NEVER), { ok: false, failure: hungUp })
  const good = createGrant(t, server.url, await clients.issueClient('sb-client!b1'))
  t.match(await good.request(NEVER), { ok: true })
  t.equal(server.requests.length, 1)
})

// The ticket has left by then.
const fail: Respond = (_request, response) => void setImmediate(() => response.destroy())

t.test('a server that accepts the certificate and then fails is no refusal', async (t) => {
  const server = await startServer(t, fail, {
    ...(await authority.issueServer()),
    clientAuthority: clients.certificate,
    version: 'TLSv1.3',
  })
  const grant = createGrant(t, server.url, await clients.issueClient('sb-client!b1'))
  t.match(await grant.request(NEVER), { ok: false, failure: { kind: 'transient' } })
  t.equal(server.requests.length, 1)
})

t.test('a certificate outside its time is not even shown', async (t) => {
  const now = Date.now()
  const cases = [
    [
      { notBefore: new Date(now - 2 * HOUR_MS), notAfter: new Date(now - HOUR_MS) },
      /^was not asked: the client certificate expired on \d{4}-/,
    ],
    [
      { notBefore: new Date(now + HOUR_MS), notAfter: new Date(now + 2 * HOUR_MS) },
      /^was not asked: the client certificate is not valid before \d{4}-/,
    ],
  ] as const
  for (const [validity, reason] of cases) {
    const server = await startMutualServer(t)
    const grant = createGrant(t, server.url, await clients.issueClient('sb-client!b1', validity))
    const outcome = await grant.request(NEVER)
    t.match(outcome, { ok: false, failure: { kind: 'rejected', reason } })
    t.equal(server.connections(), 0)
  }
})
