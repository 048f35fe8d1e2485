import t from 'tap'
import { isHopByHop, nominatedNames } from '../../src/proxy/hop-by-hop.ts'

const NONE = new Set<string>()

const ALWAYS = [
  'connection',
  'http2-settings',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]

for (const name of ALWAYS) {
  t.test(`${name} belongs to one connection`, async (t) => {
    t.equal(isHopByHop(name, NONE), true)
  })
}

t.test('other fields travel on', async (t) => {
  for (const name of ['content-length', 'content-type', 'cookie', 'x-csrf-token', 'via']) {
    t.equal(isHopByHop(name, NONE), false, name)
  }
})

const NOMINATIONS: Record<string, [raw: readonly string[], names: readonly string[]]> = {
  'no field nominates nothing': [['Accept', 'x-a'], []],
  'one name': [['Connection', 'x-a'], ['x-a']],
  'several names, in any case and spacing': [
    ['connection', ' X-A ,\tx-b'],
    ['x-a', 'x-b'],
  ],
  'names of several fields': [
    ['Connection', 'x-a', 'a', 'b', 'CONNECTION', 'x-b'],
    ['x-a', 'x-b'],
  ],
  'close and keep-alive are options, no names': [['Connection', 'close, Keep-Alive'], []],
  'a value of that text is no field': [['x-a', 'Connection'], []],
  'a field of the same length is another': [['X-Abcdefgh', 'x-a'], []],
}

for (const [title, [raw, names]] of Object.entries(NOMINATIONS)) {
  t.test(`Connection: ${title}`, async (t) => {
    t.strictSame([...nominatedNames(raw)], names)
  })
}

t.test('a nominated field goes no further than this connection', async (t) => {
  const nominated = nominatedNames(['Connection', 'X-Internal'])
  t.equal(isHopByHop('x-internal', nominated), true)
  t.equal(isHopByHop('x-external', nominated), false)
  t.equal(isHopByHop('te', nominated), true)
})
