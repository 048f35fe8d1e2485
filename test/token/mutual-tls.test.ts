import t, { type Test } from 'tap'
import { createCertificateAuthority } from '../../demo/certificate-authority.ts'
import { systemClock } from '../../src/clock.ts'
import { ClientCredentialsGrant } from '../../src/token/client-credentials-grant.ts'
import { startRawServer, startServer } from '../fixtures/recording-server.ts'

const NEVER = new AbortController().signal
const HOUR_MS = 3_600_000

const authority = await createCertificateAuthority()
const clients = await createCertificateAuthority('Clients')

const startMutualServer = async (t: Test) =>
  startServer(t, (_request, response) => response.end('{"access_token":"abc.def.ghi"}'), {
    ...(await authority.issueServer()),
    clientAuthority: clients.certificate,
  })

const createGrant = (
  t: Test,
  url: string,
  identity: { readonly certificate: string; readonly key: string },
) => {
  const grant = new ClientCredentialsGrant({
    endpoint: new URL(`${url}/oauth/token`),
    clientId: 'sb-client!b1',
    authentication: {
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
    clock: systemClock,
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
