import t from 'tap'
import { readKeyFile } from '../../src/service-key/key-file.ts'

const credentials = { clientid: 'a', url: 'https://acme.example' }
const key = JSON.stringify(credentials, undefined, 2)
const found = { kind: 'credentials', credentials }

const FORMS = {
  'the bare key': key,
  'the key as `cf service-key` wraps it': `{"credentials":${key}}`,
  'the output of `cf service-key`': `Getting key k for service instance intas as me@example...\n\n{"credentials":${key}}\nOK\n`,
  'the output of an older `cf service-key`': `Getting key k as me@example...\n\n${key}\n`,
  'a key with a byte order mark': `\uFEFF${key}`,
}

for (const [title, text] of Object.entries(FORMS)) {
  t.test(`${title} is read`, async (t) => {
    t.strictSame(readKeyFile(text), found)
  })
}

t.test('credentials that are no object are left to the next check', async (t) => {
  t.strictSame(readKeyFile('{"credentials":"text"}'), { kind: 'credentials', credentials: 'text' })
  t.strictSame(readKeyFile('{"credentials":null}'), {
    kind: 'credentials',
    credentials: { credentials: null },
  })
})

const services = { 'integration-assessment': [{ name: 'intas', credentials }] }
const BINDING = {
  names: ['intas'],
  labels: ['integration-assessment'],
  guid: undefined,
  userProvided: false,
  credentials,
  problems: [],
  watch: [],
}

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
