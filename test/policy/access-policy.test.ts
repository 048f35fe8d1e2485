import t from 'tap'
import { allowRules } from '../../src/config/setting-types.ts'
import { type AccessRules, judgeRequest } from '../../src/policy/access-policy.ts'
import { processorTime } from '../fixtures/processor-time.ts'

const READ_ONLY: AccessRules = { readOnly: true, allow: undefined }
const allowing = (text: string, readOnly = false): AccessRules => ({
  readOnly,
  allow: allowRules.parse(text) ?? [],
})

type Fields = readonly (readonly [string, string])[]

const judge = (rules: AccessRules, line: string, headers: Fields = []) => {
  const [method = '', path = ''] = line.split(' ')
  return judgeRequest(rules, { method, path, headers })
}

/** `allow`, `batch`, or the status and the reason of the refusal. */
const verdict = (rules: AccessRules, line: string, headers: Fields = []): string => {
  const judged = judge(rules, line, headers)
  return typeof judged === 'string' ? judged : `${judged.status ?? 403} ${judged.denied}`
}

t.test('read-only lets what reads pass, and nothing else', async (t) => {
  for (const method of ['GET', 'HEAD', 'OPTIONS']) {
    t.equal(verdict(READ_ONLY, `${method} /Vendor`), 'allow', method)
  }
  for (const method of ['POST', 'PUT', 'PATCH', 'MERGE', 'DELETE', 'PROPFIND', 'QUERY', 'LINK']) {
    t.match(
      judge(READ_ONLY, `${method} /Vendor`),
      {
        code: 'not_allowed',
        denied: 'method',
        status: 405,
        allow: ['GET', 'HEAD', 'OPTIONS'],
        detail: 'Allowed here by SKP_ACCESS=read-only: GET, HEAD, OPTIONS.',
      },
      method,
    )
  }
})

const OVERRIDES: Record<string, [line: string, headers: Fields, expected: string]> = {
  'a tunnelled DELETE': ['POST /A', [['X-HTTP-Method', 'DELETE']], '405 method'],
  'a GET that asks for DELETE': ['GET /A', [['X-HTTP-Method', 'DELETE']], '405 method'],
  'a POST that asks for GET, because not every server heeds it': [
    'POST /A',
    [['X-HTTP-Method', 'GET']],
    '405 method',
  ],
  'a GET that asks for GET': ['GET /A', [['X-HTTP-Method', 'GET']], 'allow'],
  'another name of the field': ['GET /A', [['x-http-method-override', 'DELETE']], '405 method'],
  'a third name of the field': ['GET /A', [['X-METHOD-OVERRIDE', 'DELETE']], '405 method'],
  'a name with underscores': ['GET /A', [['X_HTTP-Method_Override', 'DELETE']], '405 method'],
  'small letters': ['GET /A', [['x-http-method', ' delete ']], '405 method'],
  'the query of Apache CXF': ['GET /A?$top=1&_method=DELETE', [], '405 method'],
  'the query, encoded': ['GET /A?%5Fm%65thod=%44ELETE', [], '405 method'],
  'the query behind a semicolon': ['GET /A?a;_method=DELETE', [], '405 method'],
  'the query beside a broken escape': ['GET /A?a=%ff&_method=DELETE', [], '405 method'],
  'the query with GET': ['GET /A?_method=get', [], 'allow'],
  'another name in the query': [
    "GET /A?$filter=x_method%20eq%20'DELETE'&method=DELETE",
    [],
    'allow',
  ],
  'two fields that disagree': [
    'GET /A',
    [
      ['X-HTTP-Method', 'GET'],
      ['X-HTTP-Method', 'DELETE'],
    ],
    '403 method',
  ],
  'two fields of different names that disagree': [
    'GET /A',
    [
      ['X-HTTP-Method', 'GET'],
      ['X-HTTP-Method-Override', 'HEAD'],
    ],
    '403 method',
  ],
  'a field and a query that disagree': [
    'GET /A?_method=HEAD',
    [['X-HTTP-Method', 'GET']],
    '403 method',
  ],
  'two that agree': ['GET /A?_method=HEAD', [['X-HTTP-Method', 'HEAD']], 'allow'],
  'several methods in one field': ['GET /A', [['X-HTTP-Method', 'GET, DELETE']], '403 method'],
  'an empty field': ['GET /A', [['X-HTTP-Method', '']], '403 method'],
  'an empty query': ['GET /A?_method', [], '403 method'],
  'a field that only looks alike': ['GET /A', [['X-HTTP-Methods', 'DELETE']], 'allow'],
}

for (const [title, [line, headers, expected]] of Object.entries(OVERRIDES)) {
  t.test(`read-only, ${title}: ${expected}`, async (t) => {
    t.equal(verdict(READ_ONLY, line, headers), expected)
  })
}

t.test('a method counts wherever it is asked for, also with SKP_ALLOW', async (t) => {
  const rules = allowing('POST|DELETE /A,GET /B')
  t.equal(verdict(rules, 'POST /A', [['X-HTTP-Method', 'DELETE']]), 'allow')
  t.equal(verdict(rules, 'POST /A', [['X-HTTP-Method', 'MERGE']]), '405 method')
  t.equal(verdict(rules, 'GET /B', [['X-HTTP-Method', 'DELETE']]), '405 method')
})

const BATCH: Record<string, readonly string[]> = {
  batch: ['POST /$batch', 'POST /$batch?sap-client=100&a_=1'],
  '405 method': [
    'GET /$batch',
    'OPTIONS /$batch',
    'MERGE /$batch',
    'POST /$batch?_method=GET',
    'GET /$batch?_method=POST',
  ],
  '403 batch': [
    'POST /$batch?_ctype=multipart/mixed;boundary=x',
    'POST /$batch?%5Fctype=x',
    'POST /%24batch',
    'POST /$b%61tch',
    'POST /%2524batch',
    'POST /$BATCH',
    'POST /$batch/',
    'POST /$batch;x=1',
    'POST /$batch%3Fx',
    'POST /$batch%20',
    'POST /$batch.json',
    'POST /./$batch',
    'POST /Vendor/$batch',
    'POST /Vendor%2F$batch',
    'POST /Vendor%255C$batch',
    'POST /;x/$batch',
    'GET /$batch/$batch',
  ],
  allow: ['GET /Vendor?$batch', 'GET /batch', "GET /Vendor('$batch')"],
}

for (const [expected, lines] of Object.entries(BATCH)) {
  t.test(`the batch endpoint and what resembles it: ${expected}`, async (t) => {
    for (const line of lines) t.equal(verdict(READ_ONLY, line), expected, line)
    const everything = allowing('GET|POST|OPTIONS|MERGE /**')
    for (const line of lines) t.equal(verdict(everything, line), expected, `SKP_ALLOW: ${line}`)
  })
}

t.test('a method that a batch has not is told what it may be', async (t) => {
  t.match(judge(READ_ONLY, 'GET /$batch'), { allow: ['POST'] })
  t.match(judge(allowing('GET /**'), 'POST /$batch', [['X-HTTP-Method', 'GET']]), {
    allow: ['POST'],
  })
})

const PATTERNS: Record<string, [fits: readonly string[], fitsNot: readonly string[]]> = {
  '/': [
    ['/', '/?$top=1'],
    ['/Vendor', '/$metadata'],
  ],
  '/**': [['/', '/Vendor', "/Vendor('1')/Items/$count"], []],
  '/Vendor': [
    ['/Vendor', '/Vendor/', '/Vendor?$top=1', '/V%65ndor', '/Vendor?a/../b'],
    ['/', '/Vendors', '/vendor', "/Vendor('1')", '/Vendor/Items', '/xVendor', '/Vendor%2520'],
  ],
  '/Vendor*': [
    ['/Vendor', '/Vendors', "/Vendor('1')", "/Vendor('a%2Fb')", "/Vendor(A='1',B=2)"],
    ["/Vendor('1')/Items", '/Vendo', '/xVendor'],
  ],
  '/Vendor(*)': [
    ["/Vendor('1')", '/Vendor()'],
    ['/Vendor', '/VendorSecret', '/Vendor('],
  ],
  '/Vendor*/*': [
    ["/Vendor('1')/Items", '/Vendor/x/'],
    ['/Vendor', '/Vendor/', '/Vendor/a/b'],
  ],
  '/Vendor/**': [
    ['/Vendor', '/Vendor/', '/Vendor/a', '/Vendor/a/b'],
    ['/Vendors', '/'],
  ],
  '/a*b*c': [
    ['/abc', '/axbxc', '/abbcc', '/aabbcc'],
    ['/ab', '/ac', '/acb', '/abcd', '/xabc'],
  ],
  '/a*a': [
    ['/aa', '/aba'],
    ['/a', '/ab'],
  ],
  '/ab*bc': [['/abbc'], ['/abc']],
  '/*': [
    ['/x', "/V('1')"],
    ['/', '/x/y'],
  ],
}

for (const [pattern, [fits, fitsNot]] of Object.entries(PATTERNS)) {
  t.test(`the pattern ${pattern} fits what it says`, async (t) => {
    const rules = allowing(`GET ${pattern}`)
    for (const path of fits) t.equal(verdict(rules, `GET ${path}`), 'allow', path)
    for (const path of fitsNot) t.equal(verdict(rules, `GET ${path}`), '403 path', path)
  })
}

t.test('keys may have anything inside their quotes', async (t) => {
  const rules = allowing('GET /Vendor(*)')
  const keys = ["'a%2Fb'", "'O''Neill'", "'100%25'", "'a;b'", "'%C3%A4%E2%82%AC'", "'%3F%23'", "''"]
  for (const key of keys) t.equal(verdict(rules, `GET /Vendor(${key})`), 'allow', key)
})

t.test('a path that servers read in two ways fits no rule', async (t) => {
  const paths = [
    "/Vendor('1')%2FSecret",
    "/Vendor('1%27)%2FSecret(%271')",
    "/Vendor('1%2527)%252FSecret(%25271')",
    "/Vendor('%ff%27)%2FSecret(%27')",
    "/Vendor('a/Secret/b')",
    "/Vendor('1",
    '/Secret;Vendor',
    '/Secret%3BVendor',
    '/Secret%3FVendor',
    '/Secret%253FVendor',
    '/Secret%23Vendor',
    '/Secret%5CVendor',
    '/Secret%20Vendor',
    '/Secret%EF%BC%8FVendor',
    '/Secret%22Vendor',
    '/Vendor//Items',
    '//Vendor',
    '/./Vendor',
    '/Vendor/.',
    '/Vendor/%2e/Items',
    '/%C0%AFVendor',
    '/%FF',
    "/Vendor('%FF')",
  ]
  for (const path of paths) t.equal(verdict(allowing('GET /**'), `GET ${path}`), '403 path', path)
})

t.test('a method that is not allowed at a path is told which are', async (t) => {
  const rules = allowing('GET|HEAD /Vendor*,POST /Vendor,DELETE /Other')
  t.match(judge(rules, 'DELETE /Vendor'), {
    status: 405,
    denied: 'method',
    allow: ['GET', 'HEAD', 'POST'],
    detail: 'Allowed here by SKP_ALLOW: GET, HEAD, POST.',
  })
  t.match(judge(rules, 'GET /Secret'), {
    denied: 'path',
    detail: 'Nothing is allowed here by SKP_ALLOW.',
    allow: undefined,
  })
})

t.test('with both settings, both have to allow it', async (t) => {
  const rules = allowing('GET|POST /Vendor,POST /Request', true)
  t.equal(verdict(rules, 'GET /Vendor'), 'allow')
  t.match(judge(rules, 'POST /Vendor'), { status: 405, allow: ['GET'] })
  t.match(judge(rules, 'POST /Request'), {
    denied: 'path',
    detail: 'Nothing is allowed here by SKP_ACCESS=read-only and SKP_ALLOW.',
  })
  t.equal(verdict(rules, 'GET /Request'), '403 path')
})

t.test('no pattern and path together take long', async (t) => {
  const rules = allowing(`GET /${'*a'.repeat(200)}b`)
  const busy = processorTime(() => {
    t.equal(verdict(rules, `GET /${'a'.repeat(60_000)}`), '403 path')
    t.equal(verdict(rules, `GET /${'%2527'.repeat(12_000)}`), '403 path')
    t.equal(verdict(rules, `GET /${"'a'%27".repeat(10_000)}`), '403 path')
    t.equal(verdict(READ_ONLY, `GET /x?${'_method=GET&'.repeat(5_000)}`), 'allow')
  })
  t.ok(busy < 1_000, `${busy} ms`)
})

t.test('no answer repeats what the caller wrote', async (t) => {
  const marked: Fields = [['X-HTTP-Method', 'EVIL, EVIL']]
  for (const rules of [READ_ONLY, allowing('GET /A')]) {
    for (const line of ['EVIL /A', 'GET /EVIL', 'EVIL /$batch?_EVIL', 'POST /$batchEVIL']) {
      for (const headers of [[], marked]) {
        t.notMatch(JSON.stringify(judge(rules, line, headers)), /EVIL/)
      }
    }
  }
})
