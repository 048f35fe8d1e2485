/** Request targets on the wire: byte for byte below the base path, or 400; nothing in between. */
import t, { type Test } from 'tap'
import { exchange } from '../fixtures/http-client.ts'
import { startProxy } from '../fixtures/proxy.ts'
import { startServer } from '../fixtures/recording-server.ts'

const BASE = '/intas/entities/v1'

const start = async (t: Test) => {
  const api = await startServer(t, (_request, response) => response.end('{}'))
  const { port } = await startProxy(t, { api: api.url + BASE })
  const ask = (target: string, method = 'GET', version = '1.1') =>
    exchange(port, `${method} ${target} HTTP/${version}\r\nhost: x\r\nconnection: close\r\n\r\n`)
  return { api, ask }
}

const LEGAL: Readonly<Record<string, readonly string[]>> = {
  'keys with dots, quotes and encoded slashes': [
    "/P('a/..b')",
    "/P('..')",
    "/P('...')",
    "/Vendor('a%2Fb')",
    "/Vendor('a%2fb%2F')",
    "/Vendor('O''Neill')",
    "/Vendor('%27%27')",
    "/Vendor('a%22b')",
    "/Vendor('%20%C3%A4%E2%82%AC')",
    "/Vendor('100%25')",
    "/P(A='1;2',B=datetime'2026-01-01T00:00:00')/$value",
  ],
  'dots that do not climb': ['/.well-known', '/...', '/a../b', '/..a/b', '/Vendor/.', '/./Vendor'],
  'path parameters': ['/matrix;v=1/items', '/Vendor;jsessionid=1', '/a;..b/c'],
  'names that look like another authority': ['/@other.example/', '/http://other.example/', '/a:80'],
  'empty segments behind the first': ['/Vendor//Items', '/Vendor///'],
  'queries of any content': [
    '/Vendor?$filter=Name%20eq%20%27%E4%BD%A0%27&x=/../..',
    '/Vendor?%2e%2e%2f&%00&bare=%&//other.example',
    '/Vendor??a=1?',
    '/?',
  ],
  'a long one': [`/Vendor?$filter=${'x'.repeat(30_000)}`],
}

t.test('legal targets pass byte for byte', async (t) => {
  const { api, ask } = await start(t)
  for (const [what, targets] of Object.entries(LEGAL)) {
    for (const target of targets) {
      t.match(await ask(target), /^HTTP\/1\.1 200 /, `${what}: ${target}`)
      t.equal(api.requests.at(-1)?.url, BASE + target, target)
    }
  }
})

const REFUSED: Readonly<Record<string, readonly string[]>> = {
  'absolute-form': [
    'http://other.example/Vendor',
    'HTTP://other.example/Vendor',
    'https://other.example',
    'http:/Vendor',
    'file:///etc/passwd',
  ],
  'absolute-form with userinfo': ['http://user:pw@other.example/', 'http://x\\@other.example/'],
  'authority-form': ['other.example:443', 'user@other.example:443', '[::1]:80'],
  'asterisk-form': ['*', '*/..'],
  'another authority': ['//other.example/Vendor', '//', '///other.example', '//@other.example'],
  'a relative path': ['Vendor', './Vendor', '../management', '?a=1'],
  'a fragment': ['/Vendor#a', '/Vendor?a#b', '/#/../management'],
  'a backslash': ['/..\\management', '\\\\other.example', '/\\other.example', '/a\\..\\..\\b'],
  'dots, plain and encoded': ['/..', '/../', '/%2e%2e/x', '/.%2e/x', '/%2E./x', '/a/../../x'],
  'dots, encoded more than once': ['/%252e%252e/x', '/%25252e./x', '/%%32%65%%32%65/x'],
  'slashes, encoded': ['/..%2fx', '/..%5cx', '/a%2f..%2f..%2fx', '/..%252fx', '/..%255cx'],
  'dots behind a path parameter': ['/..;/x', '/..;a=1/x', '/..%3b/x', '/%2e%2e;/x'],
  'overlong UTF-8': ['/%c0%ae%c0%ae/x', '/..%c0%afx', '/%e0%80%ae%e0%80%ae/x', "/V('%E4')"],
  'NUL and control bytes': ['/V\0', '/V\t', '/V\x01', '/V\x7f', '/V%00', '/V%0d%0aX:y', '/V%7f'],
  'bytes above ASCII': ['/V\xe4', '/\xc0\xae\xc0\xae/x', '/V?\xff'],
  'an invalid %': ['/%', '/100%', '/%2', '/%zz', '/%u002e%u002e/x', "/Vendor('%')"],
  'white space': ['/a b', '/a\x0bb', ''],
}

t.test('all others are refused, and nothing reaches the API', async (t) => {
  const { api, ask } = await start(t)
  for (const [what, targets] of Object.entries(REFUSED)) {
    for (const target of targets) {
      const answer = await ask(target)
      t.match(answer, /^HTTP\/1\.1 400 [^]*x-error-code: bad_request\r\n/, `${what}: ${target}`)
      t.notMatch(answer, /other\.example|management/, 'it is not repeated')
    }
  }
  t.equal(api.requests.length, 0)
})

t.test('the form does not depend on the method or the version', async (t) => {
  const { api, ask } = await start(t)
  t.match(await ask('*', 'OPTIONS'), /^HTTP\/1\.1 400 /)
  t.match(await ask('http://other.example/', 'POST'), /^HTTP\/1\.1 400 /)
  t.match(await ask('/%2e%2e/x', 'GET', '1.0'), /^HTTP\/1\.1 400 /)
  for (const target of ['other.example:443', '/Vendor', '*']) {
    const answer = await ask(target, 'CONNECT')
    t.match(answer, /^HTTP\/1\.1 400 [^]*x-error-code: bad_request\r\n[^]*no tunnels/, target)
  }
  t.equal(api.requests.length, 0)
})

t.test('one that is longer than SKP_MAX_HEADER_SIZE is refused', async (t) => {
  const { api, ask } = await start(t)
  t.match(await ask(`/${'a'.repeat(70_000)}`), /^HTTP\/1\.1 431 /)
  t.match(await ask('/Vendor'), /^HTTP\/1\.1 200 /, 'and the next request works')
  t.equal(api.requests.length, 1)
})

t.test('probes are answered in their own spelling only', async (t) => {
  const { api, ask } = await start(t)
  t.match(await ask('/-/live'), /^HTTP\/1\.1 200 /)
  t.match(await ask('/-/live?a=/-/'), /^HTTP\/1\.1 200 /)
  const others = [
    '/%2D/live',
    '/-/%6cive',
    '/-/live#a',
    '/-/live;a',
    '/-/live/',
    'http://x/-/live',
    '/-/LIVE',
  ]
  for (const target of others) t.match(await ask(target), /^HTTP\/1\.1 40[04] /, target)
  t.equal(api.requests.length, 0)
})
