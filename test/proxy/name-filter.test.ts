import t from 'tap'
import { createNameFilter } from '../../src/proxy/name-filter.ts'

const LONG = 'x-a-name-that-is-longer-than-all-others'
const mayBe = createNameFilter(['location', 'te', LONG])

t.test('a name is never missed, however it is spelt', async (t) => {
  for (const name of ['location', 'Location', 'LOCATION', 'te', 'TE', LONG, LONG.toUpperCase()]) {
    t.ok(mayBe(name), name)
  }
})

t.test('another length or another first letter is enough to tell', async (t) => {
  for (const name of ['', 'x', 'link', 'locations', 'vocation', 'to-be', 'de', 'y-'.repeat(20)]) {
    t.notOk(mayBe(name), name)
  }
})

t.test('what is alike has to be looked at', async (t) => {
  t.ok(mayBe('lotation'))
})
