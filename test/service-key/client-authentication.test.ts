import t from 'tap'
import { createCertificateAuthority } from '../../demo/certificate-authority.ts'
import { certificateFaults, unescapePem } from '../../src/service-key/client-authentication.ts'
import { parseServiceKey } from '../../src/service-key/service-key.ts'

const authority = await createCertificateAuthority()
const own = await authority.issueClient('sb-client!b1')
const other = await authority.issueClient('sb-other!b1')

t.test('a certificate and its own key have no fault', async (t) => {
  t.same(certificateFaults(own.certificate, own.key, ''), [])
  t.same(certificateFaults(`${own.certificate}\n${authority.certificate}`, own.key, ''), [])
})

t.test('faults of the pair are told apart, and never show its content', async (t) => {
  const cases: readonly [string, string, readonly string[]][] = [
    [own.certificate, other.key, ['field "uaa.key" does not fit the certificate']],
    ['canary', own.key, ['field "uaa.certificate" is not a PEM certificate']],
    [own.certificate, 'canary', ['field "uaa.key" is not a PEM private key']],
    [
      'canary',
      'canary',
      [
        'field "uaa.certificate" is not a PEM certificate',
        'field "uaa.key" is not a PEM private key',
      ],
    ],
  ]
  for (const [certificate, key, faults] of cases) {
    t.same(certificateFaults(certificate, key, 'uaa.'), faults)
  }
})

t.test('PEM texts whose line breaks were escaped are read', async (t) => {
  t.equal(unescapePem(own.key.replaceAll('\n', String.raw`\n`)), own.key)
})

const credentials = {
  entities: 'https://api.example/v1',
  'credential-type': 'x509',
  clientid: 'sb-client!b1',
  url: 'https://acme.authentication.example',
  certurl: 'https://acme.authentication.cert.example',
  certificate: own.certificate,
  key: own.key,
}
const parse = (changes: object) =>
  parseServiceKey(
    { ...credentials, ...changes },
    { target: 'entities', allowHttp: 'off', tokenUrl: undefined },
  )

t.test('an X.509 key uses certurl and has no secret', async (t) => {
  for (const changes of [{}, { 'credential-type': undefined }]) {
    const parsed = parse(changes)
    t.match(parsed, {
      ok: true,
      key: {
        clientId: 'sb-client!b1',
        authentication: { method: 'tls_client_auth', certificate: own.certificate },
      },
    })
    const endpoint = parsed.ok ? parsed.key.tokenEndpoint.href : ''
    t.equal(endpoint, 'https://acme.authentication.cert.example/oauth/token')
  }
})

t.test('problems of an X.509 key are told together', async (t) => {
  const missing = { certurl: undefined, certificate: undefined, key: undefined }
  t.match(parse(missing), {
    ok: false,
    problems: [
      'field "certificate" is missing',
      'field "key" is missing',
      'field "certurl" is missing',
    ],
  })
  t.match(parse({ key: other.key }), {
    ok: false,
    problems: ['field "key" does not fit the certificate'],
  })
})
