import httpProxy from '@fastify/http-proxy'
import * as fc from 'fast-check'
import Fastify from 'fastify'
import t from 'tap'
import { isPlainTarget, resolveTarget } from '../../src/policy/request-target.ts'

const BASE = '/intas/entities/v1'
const resolve = (target: string, basePath = BASE) => {
  const resolved = resolveTarget(target, basePath)
  return resolved.ok ? resolved.path : undefined
}
const reason = (target: string) => {
  const resolved = resolveTarget(target, BASE)
  return resolved.ok ? resolved.path : resolved.reason
}

const LEGAL = [
  '/',
  '/Vendor',
  '/$metadata',
  "/Vendor('4711')",
  "/Vendor('a%2Fb')",
  "/Vendor('a%2fb')",
  "/Vendor('O''Neill')",
  "/Vendor('100%25')",
  "/Vendor('%20%C3%A4%E2%82%AC')",
  "/P('a/..b')",
  "/P('a..b')",
  "/P('..')",
  '/...',
  '/a../b',
  '/..a/b',
  "/Key(A='1',B='2;3')/Items",
  '/matrix;v=1/items',
  '/Vendor//Items',
  '/.well-known',
  "/Vendor?$filter=Name%20eq%20'a'&$top=5",
  "/Vendor?$filter=startswith(Name,'a')&$expand=A,B",
  '/Vendor?a=1?b=2',
  '/Vendor?',
  '/Vendor?next=../up&path=%2e%2e%2f&bare=%&nul=%00',
  '/?$top=1',
  '/$batch',
]

for (const target of LEGAL) {
  t.test(`${target} goes through byte for byte, below the base path`, async (t) => {
    t.equal(resolve(target), BASE + target)
    t.equal(resolve(target, ''), target, 'an API at the root of its host')
  })
}

const PATH_ABSOLUTE = [BASE, `${BASE}/`, `${BASE}/Vendor('1')`, `${BASE}?$top=1`]

for (const target of PATH_ABSOLUTE) {
  t.test(`${target} carries the base path already`, async (t) => {
    t.equal(resolve(target), target)
  })
}

const LOOKALIKES = [`${BASE}x`, `${BASE}x/Vendor`, `${BASE};a/Vendor`, '/intas/entities/V1/Vendor']

for (const target of LOOKALIKES) {
  t.test(`${target} only looks like the base path`, async (t) => {
    t.equal(resolve(target), BASE + target)
  })
}

const NOT_ORIGIN_FORM = {
  'an absolute URL': 'http://other.example/Vendor',
  'an absolute URL with credentials': 'https://me:pw@other.example/',
  'the asterisk of OPTIONS': '*',
  'a host and port, as for CONNECT': 'other.example:443',
  'a relative path': 'Vendor',
  'a query alone': '?a=1',
  nothing: '',
}

for (const [title, target] of Object.entries(NOT_ORIGIN_FORM)) {
  t.test(`${title} is no path`, async (t) => {
    t.match(reason(target), /begin with a slash/)
  })
}

t.test('two slashes at the start would name another host', async (t) => {
  for (const target of ['//other.example/Vendor', '//', '///Vendor', '//?a=1']) {
    t.match(reason(target), /two slashes/)
  }
})

const CLIMBING = {
  plain: ['/..', '/../', '/../management', '/Vendor/../../management', `${BASE}/../management`],
  encoded: ['/%2e%2e/x', '/%2E%2E', '/.%2e/x', '/%2e./x', '/a/%2e%2e?b=1'],
  'with an encoded slash': ['/..%2fx', '/..%2Fx', '/%2e%2e%2fx', '/a%2f..%2fb', '/a%2f..'],
  'with an encoded backslash': ['/..%5cx', '/..%5Cx', '/a%5c..%5cb', '/%2e%2e%5cx'],
  'with a path parameter': ['/..;/x', '/..;a=1/x', '/..%3b/x', '/%2e%2e;/x', '/%2e%2e%3B'],
  'encoded twice': ['/%252e%252e/x', '/..%252fx', '/..%255cx', '/..%253b/x', '/%252e%252e%252f'],
  'encoded three times': ['/%25252e%25252e/x', '/..%25252fx'],
  'encoded four times': ['/%2525252e%2525252e/x', '/%25252525252e.'],
  'encoded five times': ['/%252525252e%252525252e/x', '/..%252525252fx'],
  'encoded differently in each place': ['/%252e%2e/x', '/.%25252e%252fx', '/%2e%252e%255cx'],
}

for (const [way, targets] of Object.entries(CLIMBING)) {
  t.test(`a ".." segment ${way} would leave the base path`, async (t) => {
    for (const target of targets)
      t.match(reason(target), /"\.\." segment|encoded too many times/, target)
  })
}

t.test('an escape nested deeper than any upstream decodes is refused unseen', async (t) => {
  t.equal(resolve("/Vendor('%25252525')"), `${BASE}/Vendor('%25252525')`)
  t.equal(resolve("/Vendor('%2525252525')"), undefined)
})

const ILLEGAL_CHARACTERS = {
  'a backslash': ['/..\\x', '\\\\other.example', "/Vendor('a\\b')", '/Vendor?a=\\'],
  'a fragment': ['/Vendor#a', '/Vendor?a=1#b', '#'],
  'a blank': ['/Vendor x', '/Vendor?a= '],
  'a line break': ['/Vendor\r\nx: y', '/Vendor\n', '/Vendor?a=\r'],
  'a NUL': ['/Vendor\0', '/Vendor?a=\0'],
  'a tab or another control': ['/Vendor\t', '/Vendor\u007f'],
  'non-ASCII': ['/Vend\u00f6r', '/Vendor?a=\u00e4', '/\u2025/x', '/\uff0e\uff0e/x'],
}

for (const [what, targets] of Object.entries(ILLEGAL_CHARACTERS)) {
  t.test(`${what} has no place in a request target`, async (t) => {
    for (const target of targets) {
      t.match(reason(target), /character no URL may have/, target)
    }
  })
}

t.test('an encoded control character would cut the path or split the request', async (t) => {
  for (const escape of ['%00', '%0d%0a', '%0D', '%0a', '%09', '%1f', '%1F', '%7f', '%7F']) {
    t.match(reason(`/Vendor('a${escape}b')`), /encoded control character/, escape)
  }
})

t.test('a bare % begins no escape', async (t) => {
  for (const path of ['/100%', '/%', '/%2', '/%zz', '/%%', '/%u002e%u002e/x', '/%2x?a']) {
    t.match(reason(path), /begins no escape/, path)
  }
})

/** What a careless upstream may make of a path, step by step. */
const decode = (path: string) =>
  path.replace(/%([0-9a-f]{2})/gi, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  )
const segments = (path: string) => path.split(/[/\\]/).map((segment) => segment.split(';', 1)[0])

t.test('however often an upstream decodes what was accepted, it stays below the base', (t) => {
  const pieces = [
    '/',
    '.',
    '..',
    ';',
    '%2e',
    '%2E',
    '%2f',
    '%5c',
    '%3b',
    '%25',
    '25',
    '2e',
    '2f',
    'a',
  ]
  const target = fc.array(fc.constantFrom(...pieces), { maxLength: 8 })
  fc.assert(
    fc.property(target, (parts) => {
      let path = resolve(`/${parts.join('')}`) ?? ''
      for (let round = 0; round < 6; round += 1) {
        if (segments(path).includes('..')) return false
        path = decode(path)
      }
      return true
    }),
    { numRuns: 2000 },
  )
  t.end()
})

t.test('digits of an escape that are escapes themselves are no way out', async (t) => {
  for (const target of ['/%25%32%65%25%32%65/x', '/%252%65%252%65/x', '/..%25%32%66x']) {
    t.equal(resolve(target), undefined, target)
  }
})

t.test('what some server takes for the end of a segment does not hide a ".."', async (t) => {
  const hidden = ['/%2e%2e%3f', '/..%23/x', '/..%20/x', '/a/..;x/b']
  for (const target of hidden) t.equal(resolve(target), undefined, target)
})

t.test('a control character is found however often it is encoded', async (t) => {
  for (const target of ['/%2500', '/%250d%250aX', '/.%2509./x', '/%25%30%30']) {
    t.equal(resolve(target), undefined, target)
  }
})

t.test(
  'a target is plain if its path has no escape and no segment that begins with a dot',
  async (t) => {
    for (const target of ['/', '/Vendor', "/Vendor('a')", '/a.b/c..d', '/Vendor?$filter=%20/..']) {
      t.ok(isPlainTarget(target), target)
    }
    // Without its first segment, the last one would begin with two slashes.
    for (const target of ["/Vendor('%2e')", '/..a', '/a/..', "/P('a%')", '/a/./c', '/.//host']) {
      t.notOk(isPlainTarget(target), target)
    }
  },
)

t.test('http-proxy finds nothing wrong with a plain path that was accepted', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(httpProxy, {
    upstream: 'http://127.0.0.1:1',
    handler: (_request, reply) => reply.send('through'),
  })
  const pieces = ['/', '.', ';', ':', '@', 'a', 'A', "'", '(', '$', '~', 'http:', '2e', '+', '=']
  // The first three are what dot segments are made of.
  const piece = fc.oneof(fc.constantFrom(...pieces), fc.constantFrom(...pieces.slice(0, 3)))
  const target = fc.array(piece, { maxLength: 8 })
  let plain = 0
  await fc.assert(
    fc.asyncProperty(target, async (parts) => {
      const url = `/${parts.join('')}`
      if (!isPlainTarget(url) || resolve(url) === undefined) return true
      plain += 1
      return (await app.inject({ url })).body === 'through'
    }),
    { numRuns: 1_000, examples: [[['.', '/', '/']]] },
  )
  t.ok(plain > 100, `${plain} targets`)
})
