import t from 'tap'
import { configSchema, flagName, type Setting } from '../../src/config/settings.ts'

const settings = Object.values<Setting<unknown>>(configSchema)

for (const { env, type, default: value, defaultNote, description, who } of settings) {
  t.test(`${env} is declared in full`, async (t) => {
    t.match(env, /^SKP_[A-Z]+(_[A-Z0-9]+)*$/)
    t.match(description, /^.{10,}\.$/s, 'the description is a sentence')
    t.match(who, /^[a-z].{20,}[^.]$/, 'somebody needs it, told in one line')
    if (value !== undefined) t.not(type.parse(value), undefined, 'the default is a legal value')
    t.notOk(value !== undefined && defaultNote !== undefined, 'a default is told once')
  })
}

t.test('no two settings share a variable or a flag', async (t) => {
  t.equal(new Set(settings.map(({ env }) => env)).size, settings.length)
  t.equal(new Set(settings.map(({ env }) => flagName(env))).size, settings.length)
})

t.test('the flag of a setting is its name in kebab case, without the prefix', async (t) => {
  t.equal(flagName('SKP_PORT'), 'port')
  t.equal(flagName('SKP_MAX_HEADER_SIZE'), 'max-header-size')
  t.equal(flagName('SKP_TOKEN_SKP_URL'), 'token-skp-url')
})
