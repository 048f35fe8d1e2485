import t from 'tap'
import { loadProxies } from '../../src/outbound/proxy-environment.ts'

const API = 'https://api.cfapps.eu10.hana.ondemand.com/v1'

const originFor = (url: string, environment: Readonly<Record<string, string>>) =>
  loadProxies(environment).proxyFor(new URL(url))?.origin

t.test('without the variables there is no proxy', async (t) => {
  t.equal(originFor(API, {}), undefined)
  t.equal(originFor(API, { HTTPS_PROXY: '', https_proxy: ' ', NO_PROXY: 'a' }), undefined)
  t.same(loadProxies({}).problems, [])
  t.same(loadProxies({}).secrets, [])
})

const CHOICES: readonly (readonly [
  url: string,
  environment: Readonly<Record<string, string>>,
  origin: string | undefined,
])[] = [
  [API, { HTTPS_PROXY: 'http://p:3128' }, 'http://p:3128'],
  [API, { HTTPS_PROXY: 'https://p' }, 'https://p'],
  [API, { HTTPS_PROXY: 'p:3128' }, 'http://p:3128'],
  [API, { HTTPS_PROXY: 'http://[::2]:3128/' }, 'http://[::2]:3128'],
  [API, { HTTPS_PROXY: 'http://upper', https_proxy: 'http://lower' }, 'http://lower'],
  [API, { HTTP_PROXY: 'http://p' }, undefined],
  ['http://api.example', { HTTP_PROXY: 'http://p', HTTPS_PROXY: 'http://q' }, 'http://p'],
  ['http://api.example', { HTTPS_PROXY: 'http://q' }, undefined],
]

for (const [url, environment, origin] of CHOICES) {
  t.test(`${url} with ${JSON.stringify(environment)} goes to ${origin}`, async (t) => {
    t.equal(originFor(url, environment), origin)
  })
}

const DIRECT: readonly (readonly [noProxy: string, ...urls: readonly string[]])[] = [
  ['*', 'https://a.example'],
  ['a.example', 'https://a.example', 'https://b.a.example', 'https://A.Example:8443'],
  ['.a.example', 'https://a.example', 'https://b.a.example'],
  ['*.a.example', 'https://b.a.example'],
  ['x, y\ta.example ,', 'https://a.example'],
  ['A.EXAMPLE', 'https://a.example'],
  ['a.example:443', 'https://a.example'],
  ['a.example:8443', 'https://a.example:8443'],
  ['a.example:80', 'http://a.example'],
  ['10.1.2.3', 'https://10.1.2.3'],
  ['10.0.0.0/8', 'https://10.1.2.3'],
  ['2001:db8::1', 'https://[2001:db8::1]'],
  ['[2001:db8::1]:443', 'https://[2001:db8::1]'],
  ['2001:db8::/32', 'https://[2001:db8::1]'],
  ['', 'https://localhost', 'https://x.localhost:1', 'http://127.0.0.1', 'https://[::1]:9'],
]

for (const [noProxy, ...urls] of DIRECT) {
  t.test(`NO_PROXY=${noProxy} keeps ${urls.join(' ')} away from the proxy`, async (t) => {
    const proxies = { HTTPS_PROXY: 'http://p', HTTP_PROXY: 'http://p' }
    for (const url of urls) t.equal(originFor(url, { ...proxies, NO_PROXY: noProxy }), undefined)
  })
}

t.test('NO_PROXY names nothing else', async (t) => {
  for (const [noProxy, url] of [
    ['a.example', 'https://ba.example'],
    ['a.example', 'https://a.example.com'],
    ['a.example:8443', 'https://a.example'],
    ['10.0.0.0/8', 'https://11.1.2.3'],
    ['10.0.0.0/8', 'https://10.example'],
    ['10.0.0.0/99', 'https://10.1.2.3'],
    ['1.2.3', 'https://0.1.2.3'],
    ['', 'https://localhost.example'],
    ['', 'https://127.example'],
  ] as const) {
    const environment = { HTTPS_PROXY: 'http://p', NO_PROXY: noProxy }
    t.equal(originFor(url, environment), 'http://p', `${noProxy} ${url}`)
  }
  const lower = { HTTPS_PROXY: 'http://p', NO_PROXY: '*', no_proxy: 'other' }
  t.equal(originFor(API, lower), 'http://p', 'the lower-case name wins')
})

t.test('the credential is taken out of the URL, and known as a secret', async (t) => {
  const { proxyFor, secrets } = loadProxies({ https_proxy: 'http://us%20er:can%40ary-1@p:3128' })
  const encoded = Buffer.from('us er:can@ary-1').toString('base64')
  t.same(proxyFor(new URL(API)), {
    origin: 'http://p:3128',
    authorization: `Basic ${encoded}`,
    variable: 'https_proxy',
  })
  t.same(secrets, ['can@ary-1', encoded])
})

t.test('a value that is no proxy is told by its variable, and not repeated', async (t) => {
  for (const value of [
    'socks5://canary',
    'http://canary:x%zz@p',
    'http://',
    'http://u:canary@:x',
  ]) {
    const { problems, proxyFor } = loadProxies({ HTTPS_PROXY: value, http_proxy: value })
    t.same(problems, [
      'HTTPS_PROXY: must be the URL of an http or https proxy',
      'http_proxy: must be the URL of an http or https proxy',
    ])
    t.equal(proxyFor(new URL(API)), undefined)
  }
})
