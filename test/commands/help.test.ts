import t from 'tap'
import { helpText } from '../../src/commands/help.ts'
import { configSchema, flagName, type Setting } from '../../src/config/settings.ts'

const help = helpText()
const flat = help.replaceAll(/\s+/g, ' ')

for (const { env, type, default: value, defaultNote, description } of Object.values<
  Setting<unknown>
>(configSchema)) {
  t.test(`${env} is explained with its flag, type and default`, async (t) => {
    const fallback = value ?? defaultNote
    const note = fallback === undefined ? '' : ` Default: ${fallback}.`
    const text = `${description}${note}`.replaceAll('`', '')
    t.ok(flat.includes(`--${flagName(env)} <${type.name}> ${env} ${text}`))
  })
}

t.test('explanations are wrapped for a terminal, and free of Markdown', async (t) => {
  const lines = help.split('\n').filter((line) => line.startsWith(' '.repeat(6)))
  t.ok(lines.every((line) => line.length <= 78))
  t.ok(
    lines.some((line) => line.length > 70),
    'and not wrapped more than needed',
  )
  t.notMatch(help, '`')
})

t.test('usage, the other flags and the exit codes are there', async (t) => {
  t.match(help, /^Usage: service-key-proxy \[serve\]/)
  t.match(help, /^ {7}service-key-proxy check \[--json\]/m)
  t.match(help, /^ {7}service-key-proxy wait \[--timeout 60s\]/m)
  t.match(help, /^ {7}service-key-proxy exec .* -- command/m)
  for (const part of [
    '1 not ready',
    '126 command',
    '127 no',
    '--timeout   of wait',
    'ENTITIES_URL',
    'but for SIGINT at a terminal',
  ]) {
    t.ok(help.includes(part), part)
  }
  for (const part of [
    '--help',
    '10 key',
    '11 no',
    '12 TLS',
    '13 cred',
    '14 no',
    '15 the',
    '--version',
    '0 stopped',
    '2 config',
    '3 no',
    '4 port',
  ]) {
    t.ok(help.includes(part), part)
  }
})
