import t from 'tap'
import { type BindingSelection, selectAt } from '../../src/service-key/binding-selection.ts'
import type { Binding } from '../../src/service-key/binding.ts'

const credentials = { entities: 'https://api.example', clientid: 'a' }
const binding: Binding = {
  names: ['intas-binding', 'intas-instance'],
  labels: ['integration-assessment', 'assessment-tag'],
  guid: 'guid-1',
  userProvided: false,
  credentials,
  problems: [],
  watch: [],
}
const provided: Binding = {
  ...binding,
  names: ['mine'],
  labels: ['user-provided'],
  userProvided: true,
}
const other: Binding = { ...binding, names: ['db'], labels: ['hana'], credentials: {} }

const selection: BindingSelection = {
  service: 'integration-assessment',
  binding: undefined,
  target: 'entities',
}
/** The bindings that were seen at a place. */
const seen = (bindings: readonly Binding[], changes: Partial<BindingSelection> = {}) =>
  selectAt({ kind: 'bindings', name: 'place', bindings }, { ...selection, ...changes }).seen
    .bindings
/** The names of those that match. */
const select = (...args: Parameters<typeof seen>) =>
  seen(...args).flatMap(({ name, match }) => (match === undefined ? [] : [name]))

for (const service of [
  'integration-assessment',
  'assessment-tag',
  'intas-binding',
  'intas-instance',
]) {
  t.test(`SKP_SERVICE=${service} finds the binding by label, tag or name`, async (t) => {
    t.strictSame(select([other, binding], { service }), ['"intas-binding"'])
  })
}

t.test('every match is returned, in order, so that ambiguity shows', async (t) => {
  const second = { ...binding, names: ['second'] }
  t.strictSame(select([second, other, binding]), ['"second"', '"intas-binding"'])
  t.strictSame(select([other]), [])
})

t.test('SKP_BINDING chooses by exact name and nothing else', async (t) => {
  const second = { ...binding, names: ['second'] }
  t.strictSame(select([binding, second], { binding: 'second' }), ['"second"'])
  t.strictSame(select([binding, second], { binding: 'secon' }), [])
  t.strictSame(select([binding], { binding: 'integration-assessment' }), [])
})

const SHAPES: Record<string, [credentials: unknown, found: boolean]> = {
  'the target and a client id': [credentials, true],
  'a client id under uaa': [{ entities: 'e', uaa: { clientid: 'a' } }, true],
  'a client id in uaa as JSON text': [{ entities: 'e', uaa: '{"clientid":"a"}' }, true],
  'no target': [{ clientid: 'a' }, false],
  'no client id': [{ entities: 'e' }, false],
  'no object at all': ['text', false],
}

for (const [title, [credentials, found]] of Object.entries(SHAPES)) {
  t.test(`a user-provided service with ${title} is ${found ? 'a' : 'no'} match`, async (t) => {
    const candidate = { ...provided, credentials }
    t.strictSame(select([other, candidate]), found ? ['"mine"'] : [])
  })
}

t.test('shape alone never selects the binding of another offering', async (t) => {
  t.strictSame(select([{ ...binding, labels: ['another'] }]), [])
})

t.test('a user-provided service is found by name, whatever its shape', async (t) => {
  const candidate = { ...provided, credentials: {} }
  t.strictSame(select([candidate], { service: 'mine' }), ['"mine"'])
})

const REASONS: Record<string, [changes: Partial<BindingSelection>, reason: RegExp | undefined]> = {
  'a label': [{}, /type, label or a tag is SKP_SERVICE/],
  'a name': [{ service: 'intas-instance' }, /its name is SKP_SERVICE/],
  'the name asked for': [{ binding: 'intas-binding' }, /has the name that SKP_BINDING/],
  'the guid asked for': [{ binding: 'guid-1' }, /has the guid that SKP_BINDING/],
  nothing: [{ service: 'x' }, undefined],
}

for (const [title, [changes, reason]] of Object.entries(REASONS)) {
  t.test(`a match by ${title} is told as such`, async (t) => {
    t.match(seen([binding], changes)[0]?.match, reason)
  })
}

t.test('a match by shape names the fields', async (t) => {
  t.match(seen([provided])[0]?.match, /names no offering .* "entities" and "clientid"/)
})

const displayName = (binding: Binding) => seen([binding])[0]?.name

t.test('a binding is shown by its first name, else by its label', async (t) => {
  t.equal(displayName(binding), '"intas-binding"')
  t.equal(displayName({ ...binding, names: [] }), '"integration-assessment"')
  t.equal(displayName({ ...binding, names: [], labels: [] }), '"unnamed"')
  t.equal(displayName({ ...binding, names: ['a"\n'] }), String.raw`"a\"\n"`)
})
