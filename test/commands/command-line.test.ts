import t from 'tap'
import { parseCommandLine } from '../../src/commands/command-line.ts'
import { configSchema, flagName } from '../../src/config/settings.ts'

const parse = (line: string) => parseCommandLine(line.split(' ').filter((word) => word !== ''))

const LEGAL: Record<string, object> = {
  '': { command: 'serve', flags: {} },
  serve: { command: 'serve', flags: {} },
  'serve --port 3000': { command: 'serve', flags: { port: '3000' } },
  '--port=3000 serve --key-file k.json': {
    command: 'serve',
    flags: { port: '3000', 'key-file': 'k.json' },
  },
  '--port 1 --port 2': { command: 'serve', flags: { port: '2' } },
  '--binding=': { command: 'serve', flags: { binding: '' } },
  check: { command: 'check', flags: {}, json: false },
  'check --json --key-file k.json': {
    command: 'check',
    flags: { 'key-file': 'k.json' },
    json: true,
  },
  wait: { command: 'wait', flags: {}, timeout: 60_000 },
  'wait --port 3000 --timeout 2m': { command: 'wait', flags: { port: '3000' }, timeout: 120_000 },
  'exec -- npm test': { command: 'exec', flags: {}, run: ['npm', 'test'] },
  '--port 3000 exec --key-file k.json -- curl --help -V --port 1 -- x': {
    command: 'exec',
    flags: { port: '3000', 'key-file': 'k.json' },
    run: ['curl', '--help', '-V', '--port', '1', '--', 'x'],
  },
  'exec --help -- npm test': { command: 'help' },
  '--help': { command: 'help' },
  '-h': { command: 'help' },
  '--version': { command: 'version' },
  '-V': { command: 'version' },
  '--version --help': { command: 'help' },
  'serve --port 3000 --help': { command: 'help' },
}

for (const [line, expected] of Object.entries(LEGAL)) {
  t.test(`"${line}" is understood`, async (t) => {
    t.strictSame(parse(line), expected)
  })
}

t.test('every setting has a flag', async (t) => {
  for (const { env } of Object.values(configSchema)) {
    const flag = flagName(env)
    t.strictSame(parseCommandLine([`--${flag}`, 'x']), { command: 'serve', flags: { [flag]: 'x' } })
  }
})

const FAULTY: Record<string, RegExp> = {
  'server --port 3000': /^unknown command "server"$/,
  'serve twice': /^unexpected argument "twice"$/,
  'exec curl s3cret': /^unexpected argument "curl"; the command to run goes after --$/,
  exec: /^exec needs a command, as in: service-key-proxy exec -- npm start$/,
  'exec --': /^exec needs a command/,
  'serve -- npm start': /^-- belongs to the command exec$/,
  'wait -- npm start': /^-- belongs to the command exec$/,
  'wait --timeout 5': /^--timeout: expected a duration.* above 0, got "5"$/,
  'wait --timeout=': /^--timeout: expected a duration/,
  'serve --timeout 5s': /^--timeout belongs to the command wait$/,
  'wait --json': /^--json belongs to the command check$/,
  toString: /^unknown command "toString"$/,
  'check twice': /^unexpected argument "twice"$/,
  '--json': /^--json belongs to the command check$/,
  '--prot 3000': /^Unknown option '--prot'$/,
  '-p 3000': /-p/,
  '--port': /--port <value>/,
  '--help=yes': /--help/,
  '--skp-port 3000': /--skp-port/,
  '--__proto__ x': /--__proto__/,
}

for (const [line, problem] of Object.entries(FAULTY)) {
  t.test(`"${line}" is refused, with the part that is wrong`, async (t) => {
    t.match(parse(line), { command: 'invalid', problem })
  })
}

t.test('the value of an unknown flag is not repeated: it may be a secret', async (t) => {
  t.notMatch(JSON.stringify(parse('--client-secret=s3cret')), 's3cret')
  t.notMatch(JSON.stringify(parse('--client-secret s3cret')), 's3cret')
})
