import t from 'tap'
import { effectiveSettings } from '../../src/config/effective-settings.ts'
import { loadConfig } from '../../src/config/load-config.ts'

const shown = (environment: Record<string, string> = {}) =>
  Object.fromEntries(
    effectiveSettings(loadConfig(environment).config).map((setting) => [setting.name, setting]),
  )

t.test('settings are shown as they would be written', async (t) => {
  const cases = {
    SKP_DRAIN_DELAY: '0s',
    SKP_CONNECT_TIMEOUT: '1500ms',
    SKP_RESPONSE_TIMEOUT: '2m',
    SKP_MAX_HEADER_SIZE: '1MB',
    SKP_MAX_IN_FLIGHT: '7',
    SKP_ACCESS: 'read-only',
    SKP_ALLOW: 'GET|HEAD /Vendor*, POST /Request/**, GET /**',
    SKP_MOUNTS: '/=entities, /dev=intas-dev:entities',
    SKP_ALLOWED_HOSTS: 'localhost, proxy:8080',
    SKP_TOKEN_SCOPE: 'a b',
  }
  const settings = shown(cases)
  for (const [name, value] of Object.entries(cases)) {
    t.match(settings[name], { value, isDefault: false }, name)
  }
})

t.test('what is not set is said so, and defaults are told from the rest', async (t) => {
  const settings = shown()
  t.ok(Object.values(settings).every(({ isDefault }) => isDefault))
  t.equal(settings['SKP_MAX_BODY']?.value, 'not set')
  t.equal(settings['SKP_TOKEN_TIMEOUT']?.value, '5s')
  t.equal(settings['SKP_MOUNTS']?.value, '/=entities')
})

t.test('no secret is shown, whatever setting it stands in', async (t) => {
  const settings = shown({
    SKP_CALLER_TOKEN: 'canary-0123456789abc',
    SKP_TOKEN_PARAMS: 'assertion=canary',
    SKP_TOKEN_URL: 'https://user:canary@host/oauth/token?a=canary#canary',
    SKP_CA_FILE: 'HTTPS://canary@host',
  })
  t.notMatch(JSON.stringify(settings), 'canary')
  t.equal(settings['SKP_CALLER_TOKEN']?.value, 'set, not shown')
  t.equal(settings['SKP_TOKEN_PARAMS']?.value, 'set, not shown')
  t.equal(settings['SKP_TOKEN_URL']?.value, 'https://host/oauth/token')
})
