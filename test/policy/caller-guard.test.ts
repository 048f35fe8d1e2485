import t from 'tap'
import type { IncomingHttpHeaders } from 'node:http'
import { type CallerRules, createCallerGuard } from '../../src/policy/caller-guard.ts'

const TOKEN = 'a-token-of-a-caller'
const OPEN: CallerRules = { allowedHosts: ['*'], callerToken: undefined }

const denied = (rules: Partial<CallerRules>, headers: IncomingHttpHeaders) =>
  createCallerGuard({ ...OPEN, ...rules })(headers)?.denied

t.test('a refusal is a 403 that names its setting', async (t) => {
  const guard = createCallerGuard({ allowedHosts: ['localhost'], callerToken: TOKEN })
  t.match(guard({ host: 'evil.example' }), { code: 'not_allowed', detail: /^SKP_ALLOWED_HOSTS / })
  t.match(guard({ host: 'localhost' }), { code: 'not_allowed', detail: /^SKP_CALLER_TOKEN / })
  t.match(guard({ host: 'localhost', origin: 'null' }), { code: 'not_allowed', detail: /origin/ })
  t.notMatch(JSON.stringify(guard({ host: 'evil.example' })), /evil/)
})

const HOSTS: Record<
  string,
  [allowed: readonly string[], yes: readonly string[], no: readonly string[]]
> = {
  'names of loopback': [
    ['localhost', '127.0.0.1', '[::1]'],
    ['localhost', 'LOCALHOST:8080', '127.0.0.1:1', '[::1]', '[::1]:65535'],
    [
      'evil.example',
      'evil.example:8080',
      'localhost.evil.example',
      'localhost.',
      'localhost:',
      'localhost:x',
      'localhost:123456',
      'evil@localhost',
      'localhost@evil.example',
      'localhost, evil.example',
      'localhost/',
      ' localhost',
      '127.0.0.2',
      '127.1',
      '2130706433',
      '::1',
      '[::]',
      '0.0.0.0',
      '',
    ],
  ],
  'a name with a port': [['proxy:8080'], ['proxy:8080', 'Proxy:8080'], ['proxy', 'proxy:80']],
  'kinds of hosts': [
    ['any address', 'any name without a dot'],
    ['proxy', 'Proxy_1:8080', 'skp-dev', '10.0.0.1:8080', '127.0.0.1', '[::1]:1', '[2001:DB8::1]'],
    [
      'evil.example:8080',
      '127.0.0.1.evil.example',
      '1.2.3',
      '1.2.3.4.',
      'proxy.',
      '.',
      '::1',
      '[::1',
      '[evil.example]',
      '[::1].evil.example',
      'proxy@evil.example',
      'any address',
      'any name without a dot',
      '',
    ],
  ],
  everything: [['*'], ['localhost', 'evil.example', ''], []],
}

for (const [title, [allowedHosts, yes, no]] of Object.entries(HOSTS)) {
  t.test(`Host is checked against ${title}`, async (t) => {
    for (const host of yes) t.equal(denied({ allowedHosts }, { host }), undefined, host)
    for (const host of no) t.equal(denied({ allowedHosts }, { host }), 'host', host)
  })
}

t.test('a request without Host names none of them', async (t) => {
  t.equal(denied({ allowedHosts: ['localhost'] }, {}), 'host')
  t.equal(denied({}, {}), undefined)
})

const ORIGINS: Record<string, [headers: IncomingHttpHeaders, denied: 'origin' | undefined]> = {
  'a program': [{}, undefined],
  'a page of the same host': [{ origin: 'http://proxy:8080' }, undefined],
  'the same host, written differently': [{ origin: 'http://Proxy:8080' }, undefined],
  'a page of the same host with TLS in front': [
    { host: 'proxy', origin: 'https://proxy' },
    undefined,
  ],
  'the port of http': [{ host: 'proxy:80', origin: 'http://proxy' }, undefined],
  'the port of https': [{ host: 'proxy', origin: 'https://proxy:443' }, undefined],
  'the port of the other scheme': [{ host: 'proxy', origin: 'https://proxy:80' }, 'origin'],
  'a page of another host': [{ origin: 'http://evil.example' }, 'origin'],
  'a page of another port': [{ origin: 'http://proxy:8081' }, 'origin'],
  'a page of a file or a sandbox': [{ origin: 'null' }, 'origin'],
  'an extension': [{ origin: 'chrome-extension://proxy:8080' }, 'origin'],
  'a host that only begins alike': [{ origin: 'http://proxy:8080.evil.example' }, 'origin'],
  'a user name that looks like the host': [{ origin: 'http://proxy:8080@evil.example' }, 'origin'],
  'two origins': [{ origin: 'http://proxy:8080, http://evil.example' }, 'origin'],
  'an empty origin': [{ origin: '' }, 'origin'],
  'an origin, but no host': [{ host: undefined, origin: 'http://proxy' }, 'origin'],
  'another site': [{ 'sec-fetch-site': 'cross-site' }, 'origin'],
  'another subdomain or port': [{ 'sec-fetch-site': 'same-site' }, 'origin'],
  'another site with our origin': [
    { 'sec-fetch-site': 'cross-site', origin: 'http://proxy:8080' },
    'origin',
  ],
  'two sites': [{ 'sec-fetch-site': 'same-origin, cross-site' }, 'origin'],
  'an unknown site': [{ 'sec-fetch-site': 'x' }, 'origin'],
  'the address bar': [{ 'sec-fetch-site': 'none' }, undefined],
  'a page of the same origin': [{ 'sec-fetch-site': 'same-origin' }, undefined],
  'a page of the gateway in front': [
    { 'sec-fetch-site': 'same-origin', origin: 'https://app.example' },
    undefined,
  ],
}

for (const [title, [headers, expected]] of Object.entries(ORIGINS)) {
  t.test(`${title} is ${expected === undefined ? 'let in' : 'refused'}`, async (t) => {
    t.equal(denied({}, { host: 'proxy:8080', ...headers }), expected)
  })
}

t.test('with SKP_CALLER_TOKEN, only callers that know it are let in', async (t) => {
  const rules = { callerToken: TOKEN }
  t.equal(denied(rules, { 'x-caller-token': TOKEN }), undefined)
  const wrong = ['', TOKEN.slice(1), `${TOKEN}x`, TOKEN.toUpperCase(), `${TOKEN}, ${TOKEN}`]
  for (const token of wrong) t.equal(denied(rules, { 'x-caller-token': token }), 'caller_token')
  t.equal(denied(rules, {}), 'caller_token')
  t.equal(denied(rules, { authorization: `Bearer ${TOKEN}` }), 'caller_token')
})
