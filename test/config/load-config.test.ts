import t from 'tap'
import {
  effectiveSettings,
  loadConfig,
  type Environment,
  type Flags,
} from '../../src/config/load-config.ts'

const config = (environment: Environment, flags: Flags = {}) => {
  const loaded = loadConfig(environment, flags)
  t.strictSame(loaded.problems, [])
  return loaded.config
}
const problems = (environment: Environment, flags: Flags = {}) =>
  loadConfig(environment, flags).problems

const DEFAULTS = {
  port: 8080,
  host: '127.0.0.1',
  mode: 'service',
  adminPort: 9_090,
  adminHost: '127.0.0.1',
  service: 'integration-assessment',
  binding: undefined,
  keyFile: undefined,
  keyPoll: 30_000,
  target: 'entities',
  routes: [{ prefix: '', binding: undefined, target: 'entities' }],
  access: 'read-write',
  allow: undefined,
  allowedHosts: ['localhost', '127.0.0.1', '[::1]'],
  adminHosts: ['localhost', '127.0.0.1', '[::1]', 'any address'],
  callerToken: undefined,
  stripJsonCharset: 'on',
  connectTimeout: 5_000,
  responseTimeout: 60_000,
  idleTimeout: 120_000,
  minRate: 1_024,
  upstreamConnections: 1_000,
  queueTimeout: 5_000,
  maxHeaderSize: 65_536,
  maxInFlight: 1_000,
  maxBody: undefined,
  replayWrites: 'invalid-token',
  passUnauthorized: 'off',
  rewriteLinks: 'on',
  explain: 'off',
  caFile: undefined,
  allowHttp: 'loopback',
  drainDelay: 2_000,
  drainTimeout: 25_000,
  tokenUrl: undefined,
  tokenScope: undefined,
  tokenParams: undefined,
  tokenTimeout: 5_000,
  tokenWait: 8_000,
  logLevel: 'info',
  logFormat: 'auto',
  logQuery: 'off',
  logCaller: 'off',
}

t.test('without any setting the defaults are in force', async (t) => {
  t.strictSame(loadConfig({}), { config: DEFAULTS, problems: [], warnings: [] })
})

t.test('nobody can change the configuration afterwards', async (t) => {
  t.equal(Object.isFrozen(config({})), true)
})

t.test('a variable sets a setting, and a flag wins over it', async (t) => {
  const environment = { SKP_PORT: '3000', SKP_TARGET: 'endpoints.api' }
  t.strictSame(config(environment), {
    ...DEFAULTS,
    port: 3000,
    target: 'endpoints.api',
    routes: [{ prefix: '', binding: undefined, target: 'endpoints.api' }],
  })
  t.strictSame(config(environment, { port: '4000' }), {
    ...DEFAULTS,
    port: 4000,
    target: 'endpoints.api',
    routes: [{ prefix: '', binding: undefined, target: 'endpoints.api' }],
  })
})

t.test('an empty variable counts as unset, an empty flag does not', async (t) => {
  t.strictSame(config({ SKP_PORT: '', SKP_MODE: '', SKP_BINDING: '', PORT: '' }), DEFAULTS)
  t.strictSame(problems({}, { binding: '' }), ['--binding: expected some text, got ""'])
})

t.test('every problem is told at once, with what was written where', async (t) => {
  const environment = { SKP_PORT: '99999', SKP_MODE: 'both', SKP_IDLE_TIMEOUT: '5' }
  t.strictSame(problems(environment, { 'log-level': 'loud' }), [
    'SKP_PORT: expected a whole number from 0 to 65535, got "99999"',
    'SKP_MODE: expected one of service, sidecar, got "both"',
    'SKP_IDLE_TIMEOUT: expected a duration with its unit, such as 500ms, 5s or 2m, and above 0, got "5"',
    '--log-level: expected one of trace, debug, info, warn, error, fatal, silent, got "loud"',
  ])
})

t.test('a faulty setting has its default, so that later checks can run', async (t) => {
  const environment = { SKP_PORT: 'x', SKP_MODE: 'x', SKP_ALLOW_HTTP: 'x', PORT: 'x' }
  t.strictSame(loadConfig(environment).config, DEFAULTS)
})

const PORTS: Record<string, [environment: Environment, port: number]> = {
  'PORT where SKP_PORT is unset': [{ PORT: '3000' }, 3000],
  'SKP_PORT before PORT': [{ PORT: '3000', SKP_PORT: '4000' }, 4000],
  'SKP_PORT in sidecar mode': [{ SKP_MODE: 'sidecar', PORT: '3000', SKP_PORT: '4000' }, 4000],
  'a free one for 0': [{ SKP_PORT: '0' }, 0],
}

for (const [title, [environment, port]] of Object.entries(PORTS)) {
  t.test(`the port is ${title}`, async (t) => {
    t.equal(config(environment).port, port)
  })
}

t.test('a sidecar never takes PORT, which belongs to the app', async (t) => {
  t.strictSame(problems({ SKP_MODE: 'sidecar', PORT: '3000' }), [
    'SKP_PORT: required when SKP_MODE=sidecar (PORT belongs to the app)',
  ])
  t.strictSame(problems({ SKP_MODE: 'sidecar', PORT: 'x' }).length, 1, 'nor looks at it')
})

t.test('a faulty port of a sidecar is one problem, not two', async (t) => {
  const expects = 'expected a whole number from 0 to 65535, got "x"'
  t.strictSame(problems({ SKP_MODE: 'sidecar', SKP_PORT: 'x' }), [`SKP_PORT: ${expects}`])
  t.strictSame(problems({ SKP_MODE: 'sidecar' }, { port: 'x' }), [`--port: ${expects}`])
})

t.test('a faulty PORT is a problem of that name', async (t) => {
  t.strictSame(problems({ PORT: 'x' }), ['PORT: expected a whole number from 0 to 65535, got "x"'])
})

t.test('the admin server needs a port of its own', async (t) => {
  t.strictSame(problems({ PORT: '9090' }), [
    'SKP_ADMIN_PORT: must differ from the port of the proxy, which is 9090 as well',
  ])
  t.equal(problems({ SKP_PORT: '1', SKP_ADMIN_PORT: '1' }).length, 1)
  t.strictSame(problems({ SKP_PORT: '0', SKP_ADMIN_PORT: '0' }), [], 'two that are no port')
})

t.test('the admin server of a sidecar is on loopback, unless somebody moves it', async (t) => {
  const sidecar = { SKP_MODE: 'sidecar', SKP_PORT: '1', SKP_HOST: '0.0.0.0' }
  t.equal(config(sidecar).adminHost, '127.0.0.1')
  t.equal(config({ ...sidecar, SKP_ADMIN_HOST: '::' }).adminHost, '::')
  t.equal(config({ VCAP_APPLICATION: '{}' }).adminHost, '0.0.0.0')
  t.equal(config({ SKP_HOST: '10.0.0.1' }).adminHost, '10.0.0.1')
})

const HOSTS: Record<string, [environment: Environment, host: string]> = {
  'all on Cloud Foundry': [{ VCAP_APPLICATION: '{}' }, '0.0.0.0'],
  'all on Kubernetes': [{ KUBERNETES_SERVICE_HOST: '10.0.0.1' }, '0.0.0.0'],
  'loopback for a sidecar on Cloud Foundry': [
    { VCAP_APPLICATION: '{}', SKP_MODE: 'sidecar', SKP_PORT: '1' },
    '127.0.0.1',
  ],
  'loopback elsewhere': [{}, '127.0.0.1'],
  'what SKP_HOST says, on a laptop': [{ SKP_HOST: '::1' }, '::1'],
  'what SKP_HOST says, on Cloud Foundry': [
    { VCAP_APPLICATION: '{}', SKP_HOST: '10.0.0.1' },
    '10.0.0.1',
  ],
  'what SKP_HOST says, for a sidecar': [
    { SKP_MODE: 'sidecar', SKP_PORT: '1', SKP_HOST: '0.0.0.0' },
    '0.0.0.0',
  ],
}

for (const [title, [environment, host]] of Object.entries(HOSTS)) {
  t.test(`the address is ${title}`, async (t) => {
    t.equal(config(environment).host, host)
  })
}

const LOOPBACK = ['localhost', '127.0.0.1', '[::1]']
const NETWORK = ['any address', 'any name without a dot']

const ALLOWED_HOSTS: Record<string, [Environment, readonly string[]]> = {
  'those of loopback on localhost': [{ SKP_HOST: 'localhost' }, LOOPBACK],
  'those of loopback and the address itself': [
    { SKP_HOST: '127.0.0.2' },
    [...LOOPBACK, '127.0.0.2'],
  ],
  'those of loopback with IPv6': [{ SKP_HOST: '::1' }, [...LOOPBACK, '::1']],
  'all on a platform': [{ KUBERNETES_SERVICE_HOST: '10.0.0.1' }, ['*']],
  'all on an app': [{ VCAP_APPLICATION: '{}' }, ['*']],
  'those of loopback on loopback of a platform': [
    { VCAP_APPLICATION: '{}', SKP_HOST: '127.0.0.1' },
    LOOPBACK,
  ],
  'names that nobody else can point here, on all addresses': [
    { SKP_HOST: '0.0.0.0' },
    [...LOOPBACK, '0.0.0.0', ...NETWORK],
  ],
  'the same on an address of the network': [
    { SKP_HOST: '10.0.0.1' },
    [...LOOPBACK, '10.0.0.1', ...NETWORK],
  ],
  'the same on a name that only begins like loopback': [
    { SKP_HOST: '127.Example.com' },
    [...LOOPBACK, '127.example.com', ...NETWORK],
  ],
  'those that are named': [{ SKP_ALLOWED_HOSTS: 'Proxy:8080, x' }, ['proxy:8080', 'x']],
}

for (const [title, [environment, hosts]] of Object.entries(ALLOWED_HOSTS)) {
  t.test(`the accepted values of Host are ${title}`, async (t) => {
    t.strictSame(config(environment).allowedHosts, hosts)
  })
}

const ADMIN_HOSTS: Record<string, [Environment, readonly string[]]> = {
  'those of its own address': [
    { SKP_HOST: '10.0.0.1', SKP_ADMIN_HOST: 'localhost', SKP_ALLOWED_HOSTS: '*' },
    [...LOOPBACK, 'any address'],
  ],
  'all on a platform, and those that are named': [
    { KUBERNETES_SERVICE_HOST: '10.0.0.1', SKP_ALLOWED_HOSTS: 'skp.example' },
    ['*', 'skp.example'],
  ],
  'elsewhere as those of the proxy, and those that are named': [
    { SKP_HOST: '0.0.0.0', SKP_ALLOWED_HOSTS: 'skp.example' },
    [...LOOPBACK, '0.0.0.0', ...NETWORK, 'skp.example'],
  ],
}

for (const [title, [environment, hosts]] of Object.entries(ADMIN_HOSTS)) {
  t.test(`the values of Host that the admin port accepts are ${title}`, async (t) => {
    t.strictSame(config(environment).adminHosts, hosts)
  })
}

t.test('a secret is not repeated, however it is written', async (t) => {
  const expected = 'expected at least 16 characters, all of them ASCII letters, digits or signs'
  t.strictSame(problems({ SKP_CALLER_TOKEN: 's3cret' }), [`SKP_CALLER_TOKEN: ${expected}`])
  t.strictSame(problems({}, { 'caller-token': 's3cret' }), [`--caller-token: ${expected}`])
})

t.test(
  'a drain timeout that leaves nothing beyond the delay it includes is a problem',
  async (t) => {
    const environment = { SKP_DRAIN_DELAY: '5s', SKP_DRAIN_TIMEOUT: '5s' }
    t.strictSame(problems(environment), [
      'SKP_DRAIN_TIMEOUT: must be longer than SKP_DRAIN_DELAY, which it includes',
    ])
    t.match(config({ ...environment, SKP_DRAIN_TIMEOUT: '6s' }), { drainTimeout: 6_000 })
  },
)

t.test('a misspelt setting is warned of by name, never by value', async (t) => {
  const environment = { SKP_KEYFILE: 's3cret', SKP_PORT: '1', OTHER: 's3cret', skp_port: 's3cret' }
  t.strictSame(loadConfig(environment).warnings, [
    'SKP_KEYFILE is not a setting of this program and has no effect',
  ])
})

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
