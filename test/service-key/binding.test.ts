import t from 'tap'
import { isJsonObject, parseJsonObject, texts } from '../../src/service-key/binding.ts'

t.test('only texts with something in them are names', async (t) => {
  t.strictSame(texts(['a', '', null, 7, undefined, ['b'], 'c']), ['a', 'c'])
})

t.test('an object is read, with or without a byte order mark', async (t) => {
  t.strictSame(parseJsonObject('{"clientid":"a"}'), { clientid: 'a' })
  t.strictSame(parseJsonObject('\uFEFF{"clientid":"a"}'), { clientid: 'a' })
  t.strictSame(parseJsonObject(' {}\n'), {})
})

const NO_OBJECTS = {
  'broken JSON': '{"clientid":',
  'an array': '[{"clientid":"a"}]',
  null: 'null',
  'a text': '"a"',
  'a number': '1',
  nothing: '',
  'a byte order mark in the middle': '{}\uFEFF{}',
}

for (const [title, text] of Object.entries(NO_OBJECTS)) {
  t.test(`${title} is no JSON object`, async (t) => {
    t.equal(parseJsonObject(text), undefined)
  })
}

t.test('only objects count as objects', async (t) => {
  t.equal(isJsonObject({}), true)
  for (const value of [null, [], 'a', 1, true, undefined]) t.equal(isJsonObject(value), false)
})
