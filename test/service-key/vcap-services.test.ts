import t from 'tap'
import { readVcapServices, vcapBindings } from '../../src/service-key/vcap-services.ts'

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
const read = (changes: object, offering = 'integration-assessment') =>
  vcapBindings({ [offering]: [{ ...entry, ...changes }] })

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
      vcapBindings(services).map(({ names }) => names),
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
