import t from 'tap'
import * as fc from 'fast-check'
import { LinkRewriter, LinkTable } from '../../src/odata/link-rewriter.ts'
import type { Link } from '../../src/odata/link-target.ts'

const HOST = 'intas-api.cfapps.eu10.hana.ondemand.com'
const BASE = `https://${HOST}/intas/entities/v1`
const PROXY = 'http://localhost:8080'

const link = (base: string, route = '', pathAbsolute = true): Link => ({
  base: new URL(base),
  replacement: PROXY + route,
  pathAbsolute,
})

const rewriteWith =
  (links: readonly Link[]) =>
  (document: string): string =>
    new LinkRewriter(new LinkTable(links)).end(Buffer.from(document)).toString()

const TABLE = new LinkTable([link(BASE)])
const rewrite = rewriteWith([link(BASE)])

const REPLACED: Record<string, [document: string, rewritten: string]> = {
  'as the key has it': [`{"uri":"${BASE}/Vendor('1')"}`, `{"uri":"${PROXY}/Vendor('1')"}`],
  'with nothing behind it': [BASE, PROXY],
  'with a slash behind it': [`"${BASE}/"`, `"${PROXY}/"`],
  'with a query behind it': [`"${BASE}?a=b"`, `"${PROXY}?a=b"`],
  'with a fragment behind it': [`"${BASE}#x"`, `"${PROXY}#x"`],
  'in apostrophes': [`'${BASE}'`, `'${PROXY}'`],
  'as the text of an element': [`<uri>${BASE}</uri>`, `<uri>${PROXY}</uri>`],
  'in a sentence': [`see (${BASE}), and ${BASE} too`, `see (${PROXY}), and ${PROXY} too`],
  'as a parameter': [`?u=${BASE}&b=c`, `?u=${PROXY}&b=c`],
  'as a parameter in XML': [`?u=${BASE}&amp;b=c`, `?u=${PROXY}&amp;b=c`],
  'with an escaped quote behind it': [`"\\"${BASE}\\""`, `"\\"${PROXY}\\""`],
  'with scheme and host in upper case': [
    `HTTPS://${HOST.toUpperCase()}/intas/entities/v1/x`,
    `${PROXY}/x`,
  ],
  'with the default port': [`https://${HOST}:443/intas/entities/v1/x`, `${PROXY}/x`],
  'under the other scheme': [`http://${HOST}/intas/entities/v1/x`, `${PROXY}/x`],
  'under the other scheme with its port': [`http://${HOST}:80/intas/entities/v1/x`, `${PROXY}/x`],
  'with \\/ for slashes': [JSON.stringify(`${BASE}/x`).replaceAll('/', '\\/'), `"${PROXY}\\/x"`],
  'with \\u002f for slashes': [
    JSON.stringify(`${BASE}/x`).replaceAll('/', '\\u002f'),
    `"${PROXY}\\u002fx"`,
  ],
  'with \\u002F for slashes': [BASE.replaceAll('/', '\\u002F'), PROXY],
  'with &#47; for slashes': [BASE.replaceAll('/', '&#47;'), PROXY],
  'with &#x2F; for slashes': [BASE.replaceAll('/', '&#x2F;'), PROXY],
  'with &#x002f; for slashes': [BASE.replaceAll('/', '&#x002f;'), PROXY],
  'with escaped colons': [BASE.replaceAll(':', '&#58;'), PROXY],
  'twice in a row': [`${BASE}/${BASE}/`, `${PROXY}/${PROXY}/`],
  'among other bytes': [`\u00fc${BASE}/\u00fc`, `\u00fc${PROXY}/\u00fc`],
  'after half of itself': [`https://${HOST}/intas/${BASE}`, `https://${HOST}/intas/${PROXY}`],
}

for (const [title, [document, rewritten]] of Object.entries(REPLACED)) {
  t.test(`the base URL is replaced ${title}`, async (t) => {
    t.equal(rewrite(document), rewritten)
  })
}

const KEPT: Record<string, string> = {
  'a longer last segment': `${BASE}0/Vendor`,
  'a last segment with a parameter': `${BASE};x=1/Vendor`,
  'a key after the last segment': `${BASE}('1')`,
  'a letter beyond ASCII after the last segment': `${BASE}\u00fc`,
  'an escaped letter after the last segment': `${BASE}&#46;evil`,
  'another path': `https://${HOST}/intas/management/v1`,
  'a path in another case': `https://${HOST}/INTAS/ENTITIES/V1`,
  'a longer path': `https://${HOST}/a/intas/entities/v1`,
  'a longer host': `https://${HOST}.evil.example/intas/entities/v1`,
  'a host that ends like ours': `https://x${HOST}/intas/entities/v1`,
  'another port': `https://${HOST}:8443/intas/entities/v1`,
  'the port of the other scheme': `http://${HOST}:443/intas/entities/v1`,
  'a longer port': `https://${HOST}:4430/intas/entities/v1`,
  'user information': `https://${HOST}@evil.example/intas/entities/v1`,
  'our host as a password': `https://user:${HOST}@evil.example/intas/entities/v1`,
  'another scheme': `ftp://${HOST}/intas/entities/v1`,
  'an unknown escape': BASE.replaceAll('/', '\\x'),
  'an unknown entity': BASE.replaceAll('/', '&sol;'),
  'an escape that is no number': BASE.replaceAll('/', '\\u00zf'),
  'an entity of another character': BASE.replaceAll('/', '&#x1002f;'),
  'an entity that does not end': BASE.replaceAll('/', '&#x0000002f;'),
  'a namespace': '{"type":"com.sap.intas.entities.v1"}',
  'the beginning of the base URL': BASE.slice(0, -1),
  'the beginning of an escaped base URL': BASE.slice(0, -2).replaceAll('/', '\\u002f') + '\\u00',
  'a backslash at the end': `https:\\`,
  'an ampersand at the end': `https:&#4`,
  'a path-absolute link that is no link': '{"Name":"/intas/entities/v1/Vendor"}',
}

for (const [title, document] of Object.entries(KEPT)) {
  t.test(`${title} is not the base URL`, async (t) => {
    const bytes = Buffer.from(document)
    const rewriter = new LinkRewriter(TABLE)
    t.equal(rewriter.end(bytes), bytes, 'the very same object')
    t.equal(rewriter.count, 0)
  })
}

const PATH = '/intas/entities/v1'

const LINK_VALUES: Record<string, string> = {
  'uri of __metadata and __deferred': '{"uri":"*"}',
  'id of __metadata': '{"id" : "*"}',
  __next: '{"__next":\n\t"*"}',
  media_src: '{"media_src":"*"}',
  'V4 control information': '{"@odata.nextLink":"*"}',
  'V4 control information of a property': '{"Vendor@odata.navigationLink":"*"}',
  'V4.01 control information': '{"@context":"*"}',
  'href of a link': '<link rel="edit" href="*"/>',
  'href in apostrophes': "<link href = '*'/>",
  'xml:base': '<feed xml:base="*">',
  'id of an entry': '<id>*</id>',
  'an element with a prefix': '<atom:id> *</atom:id>',
  'uri of $links': '<uri xmlns="http://schemas.microsoft.com/ado/2007/08/dataservices">*</uri>',
}

const filler = (template: string) => (url: string) => template.replace('*', url)

for (const [title, template] of Object.entries(LINK_VALUES)) {
  t.test(`a path-absolute link becomes absolute: ${title}`, async (t) => {
    const filled = filler(template)
    const expected = filled(`${PROXY}/Vendor('1')`)
    t.equal(rewrite(filled(`${PATH}/Vendor('1')`)), expected)
    t.equal(rewrite(filled(`//${HOST}${PATH}/Vendor('1')`)), expected, 'also without scheme only')
    t.equal(rewrite(filled(PATH)), filled(PROXY))
    for (const other of ['/intas/entities', `${PATH}0/x`, `/x${PATH}`, `//evil.example${PATH}`]) {
      t.equal(rewrite(filled(other)), filled(other), other)
    }
  })
}

const NO_LINK_VALUES = [
  `{"Name":"${PATH}"}`,
  `{"context":"${PATH}"}`,
  `{"@odata.type":"${PATH}"}`,
  `["${PATH}"]`,
  `{"uri":["x","${PATH}"]}`,
  `{uri:"${PATH}"}`,
  `uri="x" "${PATH}"`,
  `<Name>${PATH}</Name>`,
  `</id>${PATH}`,
  `<id/>${PATH}`,
  `id>${PATH}`,
  ` ${PATH}`,
  PATH,
]

t.test('a path that is no link value stays', async (t) => {
  for (const document of NO_LINK_VALUES) t.equal(rewrite(document), document)
})

t.test('escaped slashes are known in path-absolute links, too', async (t) => {
  t.equal(rewrite(`{"uri":"${PATH.replaceAll('/', '\\/')}\\/x"}`), `{"uri":"${PROXY}\\/x"}`)
  t.equal(rewrite(`<id>${PATH.replaceAll('/', '&#x2f;')}/x</id>`), `<id>${PROXY}/x</id>`)
})

t.test('a base URL without path', async (t) => {
  const root = rewriteWith([link('https://api.example', '/m')])
  t.equal(root('{"uri":"https://API.example/a"}'), `{"uri":"${PROXY}/m/a"}`)
  t.equal(root('{"uri":"https:\\/\\/api.example\\/a"}'), `{"uri":"${PROXY}/m\\/a"}`)
  t.equal(root('https://api.example'), `${PROXY}/m`)
  t.equal(root('{"uri":"/a"}'), `{"uri":"${PROXY}/m/a"}`)
  t.equal(root('{"uri":"\\/a"}'), `{"uri":"${PROXY}/m\\/a"}`)
  t.equal(root('{"uri":"//api.example/a"}'), `{"uri":"${PROXY}/m/a"}`)
  for (const other of [
    '{"uri":"//evil.example/a"}',
    '{"uri":"/\\/evil.example/a"}',
    '{"uri":"/\\\\evil.example/a"}',
    '{"uri":"a/b"}',
    '{"uri":"&/b"}',
    'https://api.example:8443/',
    'https://api.example@evil.example/',
    'https://api.example.evil.example/',
  ]) {
    t.equal(root(other), other)
  }
  const absoluteOnly = rewriteWith([link('https://api.example', '', false)])
  t.equal(absoluteOnly('{"uri":"/a"}'), '{"uri":"/a"}')
})

t.test('a path that may turn out to name another host is held back', async (t) => {
  const root = new LinkRewriter(new LinkTable([link('https://api.example', '/m')]))
  const pieces = ['{"uri":"/', '/evil.example/","uri":"/', 'a"}'].map((text) => Buffer.from(text))
  const output = pieces.map((bytes) => root.push(bytes).toString())
  t.same(output, ['{"uri":"', '//evil.example/","uri":"', `${PROXY}/m/a"}`])
})

t.test('a base URL with a port of its own has no other spelling', async (t) => {
  const local = rewriteWith([link('http://127.0.0.1:4004/v1')])
  t.equal(local('http://127.0.0.1:4004/v1/x'), `${PROXY}/x`)
  t.equal(local('https://127.0.0.1:4004/v1/x'), 'https://127.0.0.1:4004/v1/x')
  t.equal(local('http://127.0.0.1/v1/x'), 'http://127.0.0.1/v1/x')
})

t.test('several base URLs: the longest path wins, then the first', async (t) => {
  const many = rewriteWith([
    link('https://api.example/v1', '/first'),
    link('https://api.example/v1', '/second'),
    link('https://api.example/v1/management', '/management'),
    link('https://api.example/(odd)', '/odd'),
  ])
  t.equal(many('"https://api.example/v1/Vendor"'), `"${PROXY}/first/Vendor"`)
  t.equal(many('"https://api.example/v1/management/x"'), `"${PROXY}/management/x"`)
  t.equal(many('{"uri":"/v1/management"}'), `{"uri":"${PROXY}/management"}`)
  t.equal(many('{"uri":"/v1/managements"}'), `{"uri":"${PROXY}/first/managements"}`)
  t.equal(many('"https://api.example/(odd)/x"'), `"${PROXY}/odd/x"`)
  t.equal(rewriteWith([])('"https://api.example/v1"'), '"https://api.example/v1"')
})

t.test('a base URL with an ampersand and an apostrophe', async (t) => {
  const odd = rewriteWith([link("https://api.example/it's/a&b")])
  for (const path of ["it's/a&b", 'it&apos;s/a&amp;b', 'it\\u0027s\\/a\\u0026b']) {
    t.equal(odd(`https://api.example/${path}/x`), `${PROXY}/x`, path)
  }
})

t.test('a chunk in which nothing matches is passed on as it is, at once', async (t) => {
  const rewriter = new LinkRewriter(TABLE)
  for (const text of ['{"d":{"results":[', '{"Name":"https://example.com/"}', ']}}']) {
    const chunk = Buffer.from(text)
    t.equal(rewriter.push(chunk), chunk)
  }
  t.equal(rewriter.end().length, 0)
})

t.test('what is held back is bounded', async (t) => {
  const escaped = BASE.replaceAll('/', '&#x002f;').replaceAll(':', '&#x003a;')
  const rewriter = new LinkRewriter(TABLE)
  let held = 0
  for (const byte of Buffer.from(`{"uri":"${escaped}/x"}`.repeat(20))) {
    held += 1 - rewriter.push(Buffer.of(byte)).length
    t.ok(held <= escaped.length + 8 + 20 * escaped.length, `${held}`)
  }
  t.equal(rewriter.count, 20)
})

/** Pieces of which documents are made: links, what looks like links, and anything else. */
const PIECES = [
  ...Object.values(REPLACED).map(([document]) => document),
  ...Object.values(KEPT),
  ...Object.values(LINK_VALUES).map((template) => template.replace('*', `${PATH}/x`)),
  ...NO_LINK_VALUES,
  '"uri":"',
  '<id>',
  ' '.repeat(300),
  'h',
  '/',
  '\\',
  '&',
]
const piece = fc.oneof(fc.constantFrom(...PIECES), fc.string())
const anyDocument = fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join(''))

const TABLES = [
  TABLE,
  new LinkTable([link('https://api.example', '/m'), link(BASE, '/n')]),
  new LinkTable([link(`https://${HOST}/intas`, '/i'), link(BASE, '/n', false)]),
]

t.test('the output does not depend on how a document is cut into chunks', async () => {
  fc.assert(
    fc.property(
      anyDocument,
      fc.array(fc.nat({ max: 40 }), { minLength: 1 }),
      fc.constantFrom(...TABLES),
      (document, sizes, table) => {
        const bytes = Buffer.from(document)
        const whole = new LinkRewriter(table)
        const expected = whole.end(bytes).toString()
        const cut = new LinkRewriter(table)
        const output: Buffer[] = []
        let at = 0
        for (let i = 0; at < bytes.length; i += 1) {
          const size = sizes[i % sizes.length] as number
          output.push(cut.push(bytes.subarray(at, at + size)))
          at += size
          if (i > 2 * bytes.length) break
        }
        output.push(cut.end(bytes.subarray(at)))
        return Buffer.concat(output).toString() === expected && cut.count === whole.count
      },
    ),
    { numRuns: 1_000 },
  )
})

const TO_PROXY = TABLE
const TO_API = new LinkTable([{ base: new URL(PROXY), replacement: BASE, pathAbsolute: false }])
const run = (table: LinkTable, document: string): string =>
  new LinkRewriter(table).end(Buffer.from(document)).toString()

const key = fc.stringMatching(/^[A-Za-z]{1,8}$/)
const url = fc
  .tuple(fc.constantFrom('Vendor', 'Application'), fc.uuid())
  .map(([set, id]) => `${BASE}/${set}('${id}')`)
const entity = fc
  .tuple(url, fc.dictionary(key, fc.oneof(fc.string(), fc.integer(), fc.constant(null))))
  .map(([uri, properties]) =>
    Object.assign(properties, {
      __metadata: { uri, id: uri, type: 'com.sap.intas.entities.Vendor' },
      Applications: { __deferred: { uri: `${uri}/Applications` } },
    }),
  )
const odataDocument = fc.tuple(fc.array(entity), fc.boolean()).map(([results, more]) => ({
  d: { results, ...(more ? { __next: `${BASE}/Vendor?$skiptoken=20` } : {}) },
}))

t.test('an OData document comes back as it was from the proxy and the way back', async () => {
  const escapes: ((json: string) => string)[] = [
    (json) => json,
    (json) => json.replaceAll('/', '\\/'),
    (json) => json.replaceAll('/', '\\u002F'),
  ]
  fc.assert(
    fc.property(odataDocument, fc.constantFrom(...escapes), (document, escape) => {
      const original = JSON.stringify(document)
      const seen = JSON.parse(run(TO_PROXY, escape(original))) as typeof document
      const expected = original.replaceAll(BASE, PROXY)
      return JSON.stringify(seen) === expected && run(TO_API, JSON.stringify(seen)) === original
    }),
  )
})

t.test(
  'a link that is held for long, byte by byte, is replaced as if it came at once',
  async (t) => {
    const table = new LinkTable([link(`https://${'a'.repeat(200)}.example/v1`)])
    const start = `{"uri":"https:&#x2f;&#x2f;${'a'.repeat(200)}.example/v1`
    for (const document of [
      `${start}/Vendor"}`,
      start,
      `${start.slice(0, -4)}x`,
      start.slice(0, 150),
    ]) {
      const pieces = new LinkRewriter(table)
      const output = Array.from(document, (byte) => pieces.push(Buffer.from(byte)))
      const whole = new LinkRewriter(table).end(Buffer.from(document))
      t.equal(Buffer.concat([...output, pieces.end()]).toString(), whole.toString(), document)
    }
  },
)

const NO_LINK_NAMES = {
  'an attribute with two prefixes': `<a x:y:href="/intas/entities/v1"/>`,
  'an attribute with a very long name': `<a ${'h'.repeat(100)}ref="/intas/entities/v1"/>`,
  'an attribute with a prefix and a very long name': `<a x:${'h'.repeat(100)}="/intas/entities/v1"/>`,
  'a member with a very long name': `{"${'u'.repeat(100)}":"/intas/entities/v1"}`,
}

for (const [title, document] of Object.entries(NO_LINK_NAMES)) {
  t.test(`${title} holds no path that is a link`, async (t) => {
    t.equal(rewriteWith([{ ...link(BASE), pathAbsolute: true }])(document), document)
  })
}
