import t from 'tap'
import { createCertificateAuthority } from '../../demo/certificate-authority.ts'
import { parseServiceKey, type ServiceKeyOptions } from '../../src/service-key/service-key.ts'

const xsuaa = {
  clientid: 'sb-0d3c!b1|intas!b2',
  clientsecret: 'f1e2-$Qz+/=',
  url: 'https://acme.authentication.example',
}
const entities = 'https://api.example/intas/entities/v1'
const flat = { entities, ...xsuaa }
const baseline: ServiceKeyOptions = {
  target: 'entities',
  allowHttp: 'loopback',
  tokenUrl: undefined,
}

const parse = (credentials: unknown, changes: Partial<ServiceKeyOptions> = {}) => {
  const parsed = parseServiceKey(credentials, { ...baseline, ...changes })
  if (!parsed.ok) return { problems: parsed.problems }
  const { baseUrl, tokenEndpoint, ...rest } = parsed.key
  return { ...rest, baseUrl: baseUrl.href, tokenEndpoint: tokenEndpoint.href }
}
const problems = (credentials: unknown, changes: Partial<ServiceKeyOptions> = {}) =>
  parse(credentials, changes).problems ?? []

const EXPECTED = {
  clientId: 'sb-0d3c!b1|intas!b2',
  authentication: { method: 'client_secret_post', clientSecret: 'f1e2-$Qz+/=' },
  baseUrl: entities,
  tokenEndpoint: 'https://acme.authentication.example/oauth/token',
}

const FORMS = {
  'a flat key': flat,
  'a flat key as JSON text': JSON.stringify(flat),
  'a key with the XSUAA part under uaa': { entities, uaa: xsuaa },
  'a key with uaa as JSON text': { entities, uaa: ` ${JSON.stringify(xsuaa)}` },
  'a flat key that has an uaa part too': { ...flat, uaa: { clientid: 'other' } },
  'a token URL with slashes at the end': { ...flat, url: `${xsuaa.url}//` },
  'URLs with blanks around them': { ...flat, entities: ` ${entities}\n`, url: `${xsuaa.url}\n` },
}

for (const [title, credentials] of Object.entries(FORMS)) {
  t.test(`${title} is read`, async (t) => {
    t.strictSame(parse(credentials), EXPECTED)
  })
}

t.test('the target is a field of any depth', async (t) => {
  const endpoints = { api: entities }
  const options = { target: 'endpoints.api' }
  t.strictSame(parse({ ...xsuaa, endpoints }, options), EXPECTED)
  t.strictSame(parse({ ...xsuaa, endpoints: JSON.stringify(endpoints) }, options), EXPECTED)
  t.strictSame(problems({ ...xsuaa, endpoints: entities }, options), [
    'field "endpoints.api" is missing',
  ])
})

t.test('what every object inherits is no field', async (t) => {
  for (const target of ['constructor', 'constructor.name', '__proto__', 'toString']) {
    t.strictSame(problems(flat, { target }), [`field "${target}" is missing`])
  }
})

t.test('a token URL may have a path of its own', async (t) => {
  const url = 'https://login.example/tenant/'
  t.match(parse({ ...flat, url }), { tokenEndpoint: 'https://login.example/tenant/oauth/token' })
})

t.test('the token URL of the settings replaces the one of the key, as it is', async (t) => {
  const { url: _, ...withoutUrl } = flat
  const tokenUrl = 'https://login.example/oauth2/token'
  t.strictSame(parse(withoutUrl, { tokenUrl }), { ...EXPECTED, tokenEndpoint: tokenUrl })
})

const ONE_FAULT: Record<string, [changed: object, problem: string | RegExp]> = {
  'a missing client id': [{ clientid: undefined }, 'field "clientid" is missing'],
  'a blank client id': [{ clientid: ' ' }, 'field "clientid" must be a non-empty text'],
  'a numeric client id': [{ clientid: 7 }, 'field "clientid" must be a non-empty text'],
  'a missing secret': [{ clientsecret: undefined }, 'field "clientsecret" is missing'],
  'an empty secret': [{ clientsecret: '' }, 'field "clientsecret" must be a non-empty text'],
  'a missing token URL': [{ url: undefined }, 'field "url" is missing'],
  'a missing base URL': [{ entities: undefined }, 'field "entities" is missing'],
  'a base URL that is null': [{ entities: null }, 'field "entities" must be a non-empty text'],
  'a base URL without a host': [{ entities: '/intas' }, 'field "entities" is not a URL'],
  'a base URL of another scheme': [
    { entities: 'ftp://api.example' },
    'field "entities" must be an https URL',
  ],
  'a user name in a URL': [
    { url: 'https://me@acme.example' },
    'field "url" must not contain a user name or password',
  ],
  'a password in a URL': [
    { url: 'https://:pw@acme.example' },
    'field "url" must not contain a user name or password',
  ],
  'a query in a URL': [
    { url: 'https://acme.example?a=1' },
    'field "url" must not contain a query or fragment',
  ],
  'a fragment in a URL': [
    { entities: `${entities}#a` },
    'field "entities" must not contain a query or fragment',
  ],
}

for (const [title, [changed, problem]] of Object.entries(ONE_FAULT)) {
  t.test(`${title} is the one problem named`, async (t) => {
    t.match(problems({ ...flat, ...changed }), [problem])
    t.equal(problems({ ...flat, ...changed }).length, 1)
  })
}

t.test('every problem is told at once, with the place of each field', async (t) => {
  t.strictSame(problems({}), [
    'field "entities" is missing',
    'field "clientid" is missing',
    'field "clientsecret" is missing',
    'field "url" is missing',
  ])
  t.strictSame(problems({ uaa: { certificate: 'PEM' } }, { tokenUrl: 'nowhere' }), [
    'field "entities" is missing',
    'field "uaa.clientid" is missing',
    'field "uaa.key" is missing',
    'SKP_TOKEN_URL is not a URL',
  ])
})

t.test('credentials that are no object are refused', async (t) => {
  for (const credentials of [undefined, null, 7, [flat], 'text', '{broken', '"{}"']) {
    t.strictSame(problems(credentials), ['the credentials are not a JSON object'])
  }
})

const PLAIN: Record<
  string,
  [host: string, allowHttp: ServiceKeyOptions['allowHttp'], ok: boolean]
> = {
  'localhost may be plain http': ['localhost:4004', 'loopback', true],
  '127.0.0.1 may be plain http': ['127.0.0.1', 'loopback', true],
  'the whole of 127/8 may be plain http': ['127.8.9.10', 'loopback', true],
  '::1 may be plain http': ['[::1]:4004', 'loopback', true],
  'another host must not be plain http': ['api.example', 'loopback', false],
  'a host that begins like loopback must not': ['127.0.0.1.attacker.example', 'loopback', false],
  'a host that ends like loopback must not': ['my-localhost', 'loopback', false],
  'any host may be plain http where the setting is on': ['api.example', 'on', true],
  'not even loopback may where it is off': ['localhost', 'off', false],
}

for (const [title, [host, allowHttp, ok]] of Object.entries(PLAIN)) {
  t.test(title, async (t) => {
    const fault = 'is plain http, which would send the token in the clear'
    const found = problems({ ...flat, url: `http://${host}` }, { allowHttp })
    if (ok) t.strictSame(found, [])
    else t.match(found, [`field "url" ${fault}`])
    t.strictSame(problems(flat, { allowHttp }), [], 'https is always allowed')
  })
}

const CANARY = 'canary-5ecret'
const poisoned = {
  entities: `https://api.example/${CANARY}`,
  clientid: CANARY,
  clientsecret: CANARY,
  url: `https://${CANARY}.example`,
  [CANARY]: CANARY,
}
const { clientsecret: _, ...withoutSecret } = poisoned

const LEAKS: Record<string, unknown> = {
  'a secret where a URL belongs': { ...poisoned, url: CANARY },
  'a secret as password in a URL': { ...poisoned, url: `https://me:${CANARY}@acme.example` },
  'a secret as user name in a URL': { ...poisoned, entities: `https://${CANARY}@api.example` },
  'a secret in the query of a URL': { ...poisoned, entities: `https://api.example?a=${CANARY}` },
  'a secret in the fragment of a URL': { ...poisoned, url: `https://acme.example#${CANARY}` },
  'a secret as scheme': { ...poisoned, url: `${CANARY}://acme.example` },
  'a secret in a plain URL': { ...poisoned, url: `http://${CANARY}.example` },
  'a secret in a URL with an impossible port': { ...poisoned, url: `https://${CANARY}:99999` },
  'a secret inside a list': { ...poisoned, clientsecret: [CANARY] },
  'a secret inside an object': { ...poisoned, clientid: { value: CANARY } },
  'an X.509 key': { ...withoutSecret, certificate: CANARY },
  'an uaa part that lacks fields': { ...poisoned, clientid: undefined, uaa: { clientid: CANARY } },
  'an uaa part that is broken JSON': { uaa: `{"clientsecret":"${CANARY}"`, entities: CANARY },
  'credentials that are broken JSON': `{"clientsecret":"${CANARY}",`,
  'credentials that are a text': CANARY,
  'credentials that are a list': [poisoned],
}

for (const [title, credentials] of Object.entries(LEAKS)) {
  t.test(`${title} is refused without a word of it`, async (t) => {
    t.not(problems(credentials).length, 0)
    t.notMatch(JSON.stringify(parse(credentials)), CANARY)
  })
}

t.test('the token URL of the settings is refused without a word of it', async (t) => {
  const tokenUrl = `https://me:${CANARY}@acme.example/${CANARY}`
  t.strictSame(problems(flat, { tokenUrl }), [
    'SKP_TOKEN_URL must not contain a user name or password',
  ])
})

const authority = await createCertificateAuthority()
const own = await authority.issueClient('sb-client!b1')
const other = await authority.issueClient('sb-other!b1')

const x509 = {
  entities,
  'credential-type': 'x509',
  clientid: 'sb-client!b1',
  url: 'https://acme.authentication.example',
  certurl: 'https://acme.authentication.cert.example',
  certificate: own.certificate,
  key: own.key,
}
const X509_EXPECTED = {
  clientId: 'sb-client!b1',
  authentication: {
    method: 'tls_client_auth',
    certificate: own.certificate,
    privateKey: own.key,
  },
  baseUrl: entities,
  tokenEndpoint: 'https://acme.authentication.cert.example/oauth/token',
}

t.test('an X.509 key uses certurl and has no secret', async (t) => {
  t.strictSame(parse(x509), X509_EXPECTED)
  t.strictSame(parse({ ...x509, 'credential-type': undefined }), X509_EXPECTED)
})

t.test('a certificate may bring the one of its authority along', async (t) => {
  const certificate = `${own.certificate}\n${authority.certificate}`
  t.match(parse({ ...x509, certificate }), { authentication: { certificate } })
})

const escaped = (pem: string) => pem.replaceAll('\n', String.raw`\n`)

t.test('PEM texts whose line breaks were escaped are read', async (t) => {
  const changes = { certificate: escaped(own.certificate), key: escaped(own.key) }
  t.strictSame(parse({ ...x509, ...changes }), X509_EXPECTED)
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
    const { entities, ...uaa } = { ...x509, certificate, key }
    t.strictSame(problems({ entities, uaa }), faults)
  }
  t.strictSame(problems({ ...x509, key: other.key }), ['field "key" does not fit the certificate'])
})

t.test('problems of an X.509 key are told together', async (t) => {
  const missing = { certurl: undefined, certificate: undefined, key: undefined }
  t.strictSame(problems({ ...x509, ...missing }), [
    'field "certificate" is missing',
    'field "key" is missing',
    'field "certurl" is missing',
  ])
})
