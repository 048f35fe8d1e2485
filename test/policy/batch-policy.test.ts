import * as fc from 'fast-check'
import t from 'tap'
import { allowRules } from '../../src/config/setting-types.ts'
import { readBatch } from '../../src/odata/batch-reader.ts'
import type { AccessRules } from '../../src/policy/access-policy.ts'
import { judgeBatch } from '../../src/policy/batch-policy.ts'
import { changeset, json, line, multipart, MULTIPART, part, request } from '../fixtures/batches.ts'

const BASE = '/intas/entities/v1'
const ROOT = { baseUrl: new URL(`https://api.example.com${BASE}`), basePath: BASE }
const AT_ROOT = { baseUrl: new URL('https://api.example.com'), basePath: '' }

const READ_ONLY: AccessRules = { readOnly: true, allow: undefined }
const allowing = (text: string, readOnly = false): AccessRules => ({
  readOnly,
  allow: allowRules.parse(text) ?? [],
})

type Part = readonly [method: string, target: string, headers?: Readonly<Record<string, string>>]

/** The detail of a refusal, `undefined` if it is allowed. */
const judge = (rules: AccessRules, parts: readonly Part[], root = ROOT) =>
  judgeBatch(rules, root, {
    ok: true,
    parts: parts.map(([method, target, headers = {}]) => ({
      method,
      target,
      headers: Object.entries(headers),
    })),
  })?.detail

t.test('a batch of retrievals is read-only', async (t) => {
  t.equal(
    judge(READ_ONLY, [
      ['GET', 'A'],
      ['GET', '$1/Items'],
      ['GET', '$metadata'],
    ]),
    undefined,
  )
})

t.test('every other method makes it a write', async (t) => {
  for (const method of ['POST', 'PUT', 'PATCH', 'MERGE', 'DELETE', 'HEAD', 'OPTIONS', 'X']) {
    t.equal(
      judge(READ_ONLY, [
        ['GET', 'A'],
        [method, 'A'],
      ]),
      'By SKP_ACCESS=read-only, request 2 of the $batch is refused. Allowed here by SKP_ACCESS=read-only: GET.',
    )
  }
})

t.test('a refusal is a 403 of the batch', async (t) => {
  const unread = { ok: false, reason: 'It is odd.' } as const
  t.same(judgeBatch(allowing('GET /A'), ROOT, unread), {
    code: 'not_allowed',
    denied: 'batch',
    detail: 'By SKP_ALLOW, this $batch is refused. It is odd.',
  })
})

const TARGETS: Record<
  string,
  [reason: RegExp | undefined, root: typeof ROOT, ...targets: string[]]
> = {
  'below the base are allowed': [
    undefined,
    ROOT,
    'Vendor',
    "Vendor('1')?$expand=Items",
    "Vendor(Time=datetime'2020-01-01T00:00:00')",
    `${BASE}/Vendor`,
    BASE,
    `${BASE}?$top=1`,
    `https://api.example.com${BASE}/Vendor`,
    `https://api.example.com${BASE}`,
    'a:b/c'.replace(':', '%3A'),
  ],
  'below a base at the root are allowed': [undefined, AT_ROOT, 'Vendor', '/Vendor', '/'],
  'elsewhere are refused': [
    /leads out of the base URL/,
    ROOT,
    '/Vendor',
    '/',
    '/intas/management/v1/Users',
    `${BASE}x/Vendor`,
    `${BASE};x/Vendor`,
    '/INTAS/entities/v1/Vendor',
    '//api.example.com/intas/entities/v1/Vendor',
    'http://api.example.com/intas/entities/v1/Vendor',
    'https://api.example.com/intas/management/v1/Users',
    `https://other.example.com${BASE}/Vendor`,
    `https://api.example.com@other.example.com${BASE}/Vendor`,
    `https://api.example.com:444${BASE}/Vendor`,
    `https://api.example.com.evil${BASE}/Vendor`,
    'https:Vendor',
    'javascript:x',
    'urn:a',
    'Vendor:x',
    '?$top=1',
    '',
  ],
  'above the base are refused': [
    /"\.\." segment|two slashes|no URL may have|begins no escape|control character/,
    ROOT,
    '../management/v1/Users',
    'Vendor/../../management',
    '%2e%2e/management',
    '..%2fmanagement',
    `${BASE}/../management`,
    `${BASE}//other.example.com`,
    'Vendor\\..\\x',
    'Vendor#a',
    'Vendor%',
    "Vendor('%0d%0a')",
  ],
  'that are absolute by two slashes are refused': [/two slashes/, AT_ROOT, '//other.example.com/A'],
  'of a batch inside are refused': [
    /a \$batch itself/,
    ROOT,
    '$batch',
    '%24batch',
    `${BASE}/$batch`,
    'Vendor/$batch',
    '$batch;x',
  ],
}

for (const [title, [reason, root, ...targets]] of Object.entries(TARGETS)) {
  t.test(`targets ${title}`, async (t) => {
    for (const target of targets) {
      const fault = judge(READ_ONLY, [['GET', target]], root)
      if (reason === undefined) t.equal(fault, undefined, target)
      else t.match(fault, reason, target)
    }
  })
}

t.test('a method counts wherever a part asks for it', async (t) => {
  const faulty: readonly Part[] = [
    ['GET', 'A', { 'X-HTTP-Method': 'DELETE' }],
    ['GET', 'A', { x_http_method_override: ' delete' }],
    ['GET', 'A?_method=DELETE'],
    ['POST', 'A', { 'X-HTTP-Method': 'GET' }],
    ['GET', 'A', { 'X-HTTP-Method': '' }],
    ['GET', 'A', { 'X-HTTP-Method': 'GET', 'X-HTTP-Method-Override': 'HEAD' }],
  ]
  for (const each of faulty) t.match(judge(READ_ONLY, [each]), /request 1/, JSON.stringify(each))
  t.equal(judge(READ_ONLY, [['GET', 'A', { 'X-HTTP-Method': 'GET' }]]), undefined)
})

t.test('a part names the host of the API or none', async (t) => {
  t.equal(judge(READ_ONLY, [['GET', 'A', { Host: ' api.example.com' }]]), undefined)
  for (const host of ['localhost:8080', 'api.example.com:444', 'other', '']) {
    t.match(judge(READ_ONLY, [['GET', 'A', { host }]]), /another host/, host)
  }
})

t.test('SKP_ALLOW holds for every part', async (t) => {
  const rules = allowing('GET /Vendor*,POST /Request,GET /$metadata')
  const allowed: readonly Part[] = [
    ['GET', "Vendor('1')?$top=1"],
    ['POST', 'Request'],
    ['GET', '$metadata'],
    ['GET', `${BASE}/Vendor`],
  ]
  t.equal(judge(rules, allowed), undefined)
  const refused: readonly Part[] = [
    ['GET', 'Secret'],
    ['POST', 'Vendor'],
    ['DELETE', 'Request'],
    ['GET', "Vendor('1')/Items"],
    ['GET', "Vendor('1')%2FItems"],
    ['GET', '/Vendor'],
  ]
  for (const each of refused) {
    t.match(judge(rules, [...allowed, each]), /By SKP_ALLOW, request 5/, JSON.stringify(each))
  }
})

t.test('SKP_ALLOW cannot know what a reference stands for', async (t) => {
  const rules = allowing('GET|POST /**')
  for (const target of ['$1', '$1/Items', '%241', `${BASE}/$1`, '$entity?$id=A', '$metadata/x']) {
    t.match(judge(rules, [['GET', target]]), /refers to another request/, target)
  }
})

t.test('with both settings, both have to allow every part', async (t) => {
  const rules = allowing('GET|POST /A', true)
  t.equal(judge(rules, [['GET', 'A']]), undefined)
  t.match(judge(rules, [['POST', 'A']]), /SKP_ACCESS=read-only and SKP_ALLOW, request 1/)
  t.match(judge(rules, [['GET', 'B']]), /SKP_ACCESS=read-only and SKP_ALLOW, request 1/)
})

/** Layouts of a `$batch`: the same requests in different frames. */
const isAllowed = (body: string, type = MULTIPART) =>
  judgeBatch(READ_ONLY, ROOT, readBatch(type, Buffer.from(body))) === undefined

const reads = fc.array(fc.constantFrom('A', "B('1')?$top=1", `${BASE}/C`, '$metadata'), {
  minLength: 1,
  maxLength: 6,
})
const fields = fc.constantFrom('', 'Accept: */*\r\n', 'X-HTTP-Method: GET\r\n')
const writes = fc.constantFrom(
  line('POST', 'A'),
  line('DELETE', "A('1')"),
  line('MERGE', "A('1')", 'Content-Length: 2\r\n') + '{}',
  line('GET', 'A', 'X-HTTP-Method: DELETE\r\n'),
  line('GET', 'A?_method=DELETE'),
  line('delete', 'A'),
  `GET A HTTP/1.1\r\n\r\n${line('DELETE', 'A')}`,
)

t.test('any batch of retrievals passes, whatever its layout', async () => {
  const layout = fc.record({ targets: reads, fields, group: fc.boolean(), before: fc.boolean() })
  fc.assert(
    fc.property(layout, ({ targets, fields, group, before }) => {
      const parts = targets.map((target) => request('GET', target, fields))
      const body = multipart(group ? [changeset(parts), ...parts] : parts)
      const requests = targets.map((url) => ({ method: 'get', url, atomicityGroup: 'g' }))
      return (
        isAllowed(before ? `\r\n${body}` : body) && isAllowed(json(...requests), 'application/json')
      )
    }),
  )
})

t.test('any batch with one write passes never, whatever its layout', async () => {
  const place = fc.constantFrom('part', 'changeset', 'body', 'preamble', 'epilogue', 'head')
  const eol = fc.constantFrom('\r\n', '\n', '\r')
  const boundary = fc.constantFrom('batch_1', 'batch_10', 'changeset_1', 'other')
  const layout = fc.record({ targets: reads, write: writes, place, eol, boundary, at: fc.nat(6) })
  fc.assert(
    fc.property(layout, ({ targets, write, place, eol, boundary, at }) => {
      const hidden = multipart([part(write)], boundary).replaceAll('\r\n', eol)
      const gets = targets.map((target) => request('GET', target))
      const inserted: Record<string, string> = {
        part: part(write),
        changeset: changeset([...gets, part(write)]),
        body: part(line('GET', 'A')) + hidden,
        head: part(line('GET', 'A'), hidden),
      }
      const middle = inserted[place]
      const parts = middle === undefined ? gets : gets.toSpliced(at, 0, middle)
      const before = place === 'preamble' ? hidden + eol : ''
      const after = place === 'epilogue' ? eol + hidden : ''
      return !isAllowed(before + multipart(parts) + after)
    }),
    { numRuns: 1000 },
  )
})

t.test('no write hides behind a changed byte of a batch', async () => {
  const body = multipart([request('GET', 'A'), request('DELETE', 'B'), request('GET', 'C')])
  const byte = fc.constantFrom('\r', '\n', ' ', '\t', '-', '"', ':', 'x', '\0', '')
  fc.assert(
    fc.property(fc.nat(body.length), fc.nat(3), byte, (at, removed, added) => {
      const changed = body.slice(0, at) + added + body.slice(at + removed)
      return !isAllowed(changed) || !/DELETE B/.test(changed)
    }),
    { numRuns: 2000 },
  )
})
