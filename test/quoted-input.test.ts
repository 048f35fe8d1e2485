import t from 'tap'
import { quotedInput } from '../src/quoted-input.ts'

t.test('settings are repeated, so that the user finds them', async (t) => {
  for (const value of ['5', '', 'sevre', 'GET|HEAD /Vendor*', 'x'.repeat(60)]) {
    t.equal(quotedInput(value), JSON.stringify(value))
  }
})

t.test('what may be a pasted key is not', async (t) => {
  const pasted = ['{"clientsecret":"canary"}', 'a\ncanary', '"canary"', `canary${'x'.repeat(60)}`]
  for (const value of pasted) t.notMatch(quotedInput(value), /canary/)
})
