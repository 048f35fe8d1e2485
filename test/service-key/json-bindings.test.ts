import t from 'tap'
import { readKeyFile, readVcapServices } from '../../src/service-key/json-bindings.ts'

const credentials = { clientid: 'a' }
const entry = {
  label: 'integration-assessment',
  plan: 'default',
  name: 'intas',
  instance_name: 'intas',
  binding_name: null,
  binding_guid: 'guid-1',
  tags: [],
  credentials,
}
const BINDING = {
  names: ['intas'],
  labels: ['integration-assessment'],
  guid: 'guid-1',
  userProvided: false,
  credentials,
  problems: [],
  watch: [],
}
const bindingsIn = (services: object) => {
  const read = readVcapServices(JSON.stringify(services))
  return read.ok ? read.bindings : []
}
const read = (changes: object, offering = 'integration-assessment') =>
  bindingsIn({ [offering]: [{ ...entry, ...changes }] })

t.test('an entry becomes a binding, each name once', async (t) => {
  t.strictSame(read({}), [BINDING])
})

t.test('the binding name is the first name', async (t) => {
  const names = ['binding', 'name', 'instance']
  const changes = { binding_name: 'binding', name: 'name', instance_name: 'instance' }
  t.strictSame(read(changes), [{ ...BINDING, names }])
})

t.test('tags are labels', async (t) => {
  const labels = ['integration-assessment', 'xsuaa', 'oauth']
  t.strictSame(read({ tags: ['xsuaa', 'oauth', 7] }), [{ ...BINDING, labels }])
})

t.test('the offering is a label even where the entry has none', async (t) => {
  t.strictSame(read({ label: undefined, tags: 'no list' }), [BINDING])
})

t.test('a user-provided service is marked as such', async (t) => {
  const labels = ['user-provided']
  t.strictSame(read({ label: 'user-provided' }, 'user-provided'), [
    { ...BINDING, labels, userProvided: true },
  ])
})

t.test(
  'all entries of all offerings are read in order; anything else is passed over',
  async (t) => {
    const services = { a: [{ name: '1' }, 'text', null, { name: '2' }], b: {}, c: [{ name: '3' }] }
    t.strictSame(
      bindingsIn(services).map(({ names }) => names),
      [['1'], ['2'], ['3']],
    )
  },
)

t.test('the text is JSON of an object', async (t) => {
  const text = JSON.stringify({ 'integration-assessment': [entry] })
  t.strictSame(readVcapServices(text), { ok: true, bindings: [BINDING] })
  t.strictSame(readVcapServices('{}'), { ok: true, bindings: [] })
  for (const broken of ['', '[]', '{"integration-assessment":[{"clientsecret":"s3cret"']) {
    t.strictSame(readVcapServices(broken), { ok: false, problem: 'is not a JSON object' })
  }
})

t.test('bindings of a file are watched where the file is', async (t) => {
  const place = { directory: '/etc/cf', file: 'vcap_services' }
  const text = JSON.stringify({ 'integration-assessment': [entry] })
  t.match(readVcapServices(text, [place]), { bindings: [{ watch: [place] }] })
})

const KEY = { clientid: 'a', url: 'https://acme.example' }
const key = JSON.stringify(KEY, undefined, 2)

const FORMS = {
  'the bare key': key,
  'the key as `cf service-key` wraps it': `{"credentials":${key}}`,
  'the output of `cf service-key`': `Getting key k for service instance intas as me@example...\n\n{"credentials":${key}}\nOK\n`,
  'the output of an older `cf service-key`': `Getting key k as me@example...\n\n${key}\n`,
  'a key with a byte order mark': `\uFEFF${key}`,
}

for (const [title, text] of Object.entries(FORMS)) {
  t.test(`${title} is read`, async (t) => {
    t.strictSame(readKeyFile(text), { kind: 'credentials', credentials: KEY })
  })
}

t.test('credentials that are no object are left to the next check', async (t) => {
  t.strictSame(readKeyFile('{"credentials":"text"}'), { kind: 'credentials', credentials: 'text' })
  t.strictSame(readKeyFile('{"credentials":null}'), {
    kind: 'credentials',
    credentials: { credentials: null },
  })
})

const services = { 'integration-assessment': [entry] }

t.test('default-env.json has VCAP_SERVICES as an object or as text', async (t) => {
  const expected = { kind: 'bindings', bindings: [BINDING] }
  t.strictSame(readKeyFile(JSON.stringify({ VCAP_SERVICES: services })), expected)
  const asText = JSON.stringify({ VCAP_SERVICES: JSON.stringify(services) })
  t.strictSame(readKeyFile(asText), expected)
})

t.test('VCAP_SERVICES as broken text is a problem of that field', async (t) => {
  t.strictSame(readKeyFile('{"VCAP_SERVICES":"{broken"}'), {
    kind: 'invalid',
    problem: 'field "VCAP_SERVICES" is not a JSON object',
  })
})

t.test('text without a JSON object is invalid', async (t) => {
  for (const text of ['', 'FAILED', '{"clientid":', '{}}', '"text"', `${key} ${key}`]) {
    t.strictSame(readKeyFile(text), { kind: 'invalid', problem: 'is not a JSON object' })
  }
})

const nested = (depth: number): string => `${'{"a":'.repeat(depth)}"]}"${'}'.repeat(depth)}`

t.test('what nests deeper than a key does is not read', async (t) => {
  t.match(readVcapServices(nested(32)), { ok: true })
  t.match(readKeyFile(nested(32)), { kind: 'credentials' })
  for (const text of [nested(33), '['.repeat(100_000), '{"a":'.repeat(100_000)]) {
    const problem = 'is nested more than 32 deep'
    t.strictSame(readVcapServices(text), { ok: false, problem })
    t.match(readKeyFile(text), { kind: 'invalid' })
  }
  const quoted = JSON.stringify({ a: '{'.repeat(100), b: `"\\${'['.repeat(100)}` })
  t.match(readVcapServices(quoted), { ok: true }, 'what is in a text does not nest')
})
