import t, { type Test } from 'tap'
import { createCertificateAuthority } from '../../demo/certificate-authority.ts'
import type { Process } from '../../src/commands/process.ts'
import { nodeAdvisory, serve } from '../../src/commands/serve.ts'
import { createProcess as createProcessWith } from '../fixtures/process.ts'
import { freePort } from '../fixtures/free-port.ts'
import { call } from '../fixtures/http-client.ts'
import { startServer } from '../fixtures/recording-server.ts'

const KEY = {
  entities: 'http://127.0.0.1:1/v1',
  url: 'http://127.0.0.1:1',
  clientid: 'sb-client!b1',
  clientsecret: 'canary+secret/value=',
}

const createProcess = (environment: Process['environment'], files: Record<string, string> = {}) =>
  createProcessWith({ SKP_ADMIN_PORT: '0', ...environment }, files)

const bound = (environment: Process['environment'] = {}) =>
  createProcess(
    { SKP_PORT: '0', SKP_DRAIN_DELAY: '0ms', SKP_KEY_FILE: 'key.json', ...environment },
    { 'key.json': JSON.stringify(KEY) },
  )

const run = async (t: Test, process: Process, flags = {}) => {
  const outcome = await serve(process, flags)
  if (typeof outcome === 'number') return outcome
  t.teardown(() => outcome.stop())
  return outcome
}

t.test('says where it listens, what for, and where the key came from', async (t) => {
  const { process, stdout } = bound({ SKP_TYPO: '1' })
  t.type(await run(t, process), 'object')
  const lines = stdout()
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>)
  t.match(lines, [
    { level: 'warn', msg: 'SKP_TYPO is not a setting of this program and has no effect' },
    {
      msg: 'key from SKP_KEY_FILE key.json; a new one is taken over when it appears there',
      base_url: KEY.entities,
      route: '/',
    },
    { msg: /^listening on http:\/\/127\.0\.0\.1:\d+$/, address: String },
  ])
})

t.test('what flags of Node would gain is told once, to whoever asks for details', async (t) => {
  const { process, stdout } = bound({ SKP_LOG_LEVEL: 'debug' })
  await run(t, process)
  t.equal(stdout().match(/without --max-semi-space-size=16, which halves/g)?.length, 1)
  t.equal(stdout().match(/without --expose-gc, which/g)?.length, 1)
  const quiet = bound()
  await run(t, quiet.process)
  t.notMatch(quiet.stdout(), /expose-gc/)
})

t.test('a flag that is there is not missed, whatever its value', async (t) => {
  const inOptions = { NODE_OPTIONS: '--max-semi-space-size=64' }
  const { process, stdout } = bound({ SKP_LOG_LEVEL: 'debug', ...inOptions })
  await run(t, { ...process, nodeFlags: ['--expose-gc'] })
  t.match(stdout(), /listening/)
  t.notMatch(stdout(), /without --/)
})

t.test('is readable on a terminal, and JSON where asked for', async (t) => {
  for (const [format, isJson] of [
    ['auto', false],
    ['pretty', false],
    ['json', true],
  ] as const) {
    const { process, stdout } = bound({ SKP_LOG_FORMAT: format })
    Object.assign(process.stdout, { isTTY: true })
    await run(t, process)
    t.equal(stdout().startsWith('{'), isJson, format)
    t.match(stdout(), /listening on http/)
  }
})

t.test('colour is for terminals, and for those who have not refused it', async (t) => {
  const shown = async (isTTY: boolean, environment: Process['environment'], broken = '') => {
    const { process, stdout, stderr } = bound({
      SKP_LOG_FORMAT: 'pretty',
      SKP_CA_FILE: broken,
      ...environment,
    })
    for (const output of [process.stdout, process.stderr]) Object.assign(output, { isTTY })
    await run(t, process)
    return (stdout() + stderr()).includes('\u001B[')
  }
  for (const broken of ['', 'none.pem']) {
    t.equal(await shown(true, {}, broken), true)
    t.equal(await shown(true, { NO_COLOR: '' }, broken), true, 'nothing is no wish')
    t.equal(await shown(true, { NO_COLOR: '1' }, broken), false)
    t.equal(await shown(true, { TERM: 'dumb' }, broken), false)
    t.equal(await shown(false, {}, broken), false)
  }
})

t.test('refuses to start with all problems, by exit code', async (t) => {
  const cases: readonly [string, Process['environment'], number, readonly RegExp[]][] = [
    [
      'no binding',
      { SKP_KEY_FILE: '' },
      3,
      [/looked at\n {6}VCAP_SERVICES_FILE_PATH {20}absent\n {6}VCAP_SERVICES {30}absent\n/],
    ],
    [
      'another binding',
      { SKP_KEY_FILE: '', VCAP_SERVICES: '{"other":[{"name":"o","credentials":{}}]}' },
      3,
      [/ {6}VCAP_SERVICES {30}no match among "o" \(other\)\n/],
    ],
    [
      'two routes without one',
      { SKP_KEY_FILE: '', SKP_MOUNTS: '/a=x:entities,/b=x:entities' },
      3,
      [/"x"/],
    ],
    ['field', { SKP_TARGET: 'nothing' }, 2, [/ - SKP_KEY_FILE key\.json: field "nothing"/]],
    [
      'no file',
      { SKP_KEY_FILE: 'none.json' },
      2,
      [/SKP_KEY_FILE none\.json: cannot be read \(ENOENT\)/],
    ],
    ['settings and key', { SKP_KEY_FILE: '', SKP_PORT: 'x' }, 2, [/SKP_PORT/, /no binding/]],
    ['settings', { SKP_DRAIN_DELAY: '5' }, 2, [/SKP_DRAIN_DELAY: expected a duration/]],
    ['authorities', { SKP_CA_FILE: 'none.pem' }, 2, [/SKP_CA_FILE: must be the path/]],
    [
      'address',
      { SKP_HOST: '192.0.2.1' },
      2,
      [/cannot listen on 192\.0\.2\.1:0 \(EADDRNOTAVAIL\); change SKP_HOST or SKP_PORT\n$/],
    ],
  ]
  for (const [name, environment, code, patterns] of cases) {
    const { process, stderr } = bound(environment)
    t.equal(await run(t, process), code, name)
    t.match(stderr(), /^service-key-proxy cannot start:\n {2}- /, name)
    for (const pattern of patterns) t.match(stderr(), pattern, name)
    t.equal(stderr().endsWith('\n  service-key-proxy check\n'), name !== 'address', name)
    t.notMatch(stderr(), /canary/, name)
  }
})

t.test('a port in use has an exit code of its own', async (t) => {
  const holder = await startServer(t, () => {})
  const { process, stderr } = bound({ SKP_PORT: String(holder.port) })
  t.equal(await run(t, process), 4)
  t.match(stderr(), /port \d+ on 127\.0\.0\.1 is in use; choose another with SKP_PORT/)
})

t.test('so does the admin port in use, and neither keeps the other one open', async (t) => {
  const holder = await startServer(t, () => {})
  const [port, adminPort] = [await freePort(), await freePort()]
  const admin = bound({ SKP_PORT: String(port), SKP_ADMIN_PORT: String(holder.port) })
  t.equal(await run(t, admin.process), 4)
  t.match(
    admin.stderr(),
    `port ${holder.port} on 127.0.0.1 is in use; choose another with SKP_ADMIN_PORT`,
  )
  const data = bound({ SKP_PORT: String(holder.port), SKP_ADMIN_PORT: String(adminPort) })
  t.equal(await run(t, data.process), 4)
  t.match(data.stderr(), 'choose another with SKP_PORT')
  for (const closed of [port, adminPort]) {
    await t.rejects(call(closed, { path: '/live' }), { code: 'ECONNREFUSED' })
  }
})

t.test('a flag wins over its variable', async (t) => {
  const { process, stderr } = bound({ SKP_LOG_LEVEL: 'info' })
  t.equal(await run(t, process, { 'log-level': 'loud' }), 2)
  t.match(stderr(), /--log-level: expected one of trace/)
})

t.test('trusts the authorities of SKP_CA_FILE', async (t) => {
  const authority = await createCertificateAuthority()
  const tokenServer = await startServer(
    t,
    (_request, response) => response.end('{"access_token":"abc"}'),
    await authority.issueServer(),
  )
  const { process, stdout } = createProcess(
    { SKP_PORT: '0', SKP_DRAIN_DELAY: '0ms', SKP_KEY_FILE: 'key.json', SKP_CA_FILE: 'ca.pem' },
    {
      'key.json': JSON.stringify({ ...KEY, url: tokenServer.url }),
      'ca.pem': authority.certificate,
    },
  )
  await run(t, process)
  while (!stdout().includes('token obtained')) await new Promise(setImmediate)
  t.equal(tokenServer.requests.length, 1)
})

t.test('a crash goes to the log', async (t) => {
  const { process, stdout } = bound()
  const running = await serve(process, {})
  if (typeof running === 'number') throw new Error('did not start')
  running.flush()
  await running.stop(new Error('lost its way'))
  t.match(stdout(), /"level":"fatal".*lost its way/)
})

t.test('an X.509 key is used, watched, and kept out of the log', async (t) => {
  const authority = await createCertificateAuthority()
  const { certificate, key } = await authority.issueClient('sb-client!b1')
  const { clientsecret: _, ...rest } = KEY
  const adminPort = await freePort()
  const x509 = { ...rest, 'credential-type': 'x509', certurl: KEY.url, certificate, key }
  const { process, stdout } = createProcess(
    {
      SKP_PORT: '0',
      SKP_DRAIN_DELAY: '0ms',
      SKP_KEY_FILE: 'key.json',
      SKP_ADMIN_PORT: String(adminPort),
    },
    { 'key.json': JSON.stringify(x509) },
  )
  const running = await serve(process, {})
  if (typeof running === 'number') throw new Error('did not start')
  const metrics = (await call(adminPort, { path: '/metrics' })).body.toString()
  t.match(metrics, /\nservice_key_proxy_credential_expires_in_seconds \d+/)
  t.match(stdout(), /"level":"(?:warn|error)".*the client certificate of the service key expires/)
  await running.stop(new Error(key))
  t.notMatch(stdout(), /PRIVATE KEY/)
})

t.test('an IPv6 address is told as a URL has it', async (t) => {
  const { process, stdout } = bound({ SKP_HOST: '::1' })
  await run(t, process)
  t.match(stdout(), /"address":"http:\/\/\[::1\]:\d+"/)
})

t.test('no level shows the secret or a token', async (t) => {
  const tokenServer = await startServer(t, ({ body }, response) => {
    response.end(JSON.stringify({ access_token: 'canary-token', echo: body.toString() }))
  })
  const key = JSON.stringify({ ...KEY, url: tokenServer.url })
  for (const level of ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']) {
    const { process, stdout, stderr } = createProcess(
      { SKP_PORT: '0', SKP_DRAIN_DELAY: '0ms', SKP_KEY_FILE: 'key.json', SKP_LOG_LEVEL: level },
      { 'key.json': key },
    )
    const running = await serve(process, {})
    if (typeof running === 'number') throw new Error(stderr())
    while (tokenServer.requests.length === 0) await new Promise(setImmediate)
    for (let turn = 0; turn < 100; turn += 1) await new Promise(setImmediate)
    await running.stop(new Error('with canary+secret/value= and canary-token in its text'))
    t.notMatch(stdout() + stderr(), /canary/, level)
    t.equal(stdout() === '', level === 'silent', level)
  }
})

t.test('says which servers are reached through a proxy, without its credential', async (t) => {
  const key = { ...KEY, entities: 'https://api.example.test/v1' }
  const { process, stdout } = createProcess(
    {
      SKP_PORT: '0',
      SKP_DRAIN_DELAY: '0ms',
      SKP_KEY_FILE: 'key.json',
      https_proxy: 'http://user:canary-password@proxy.example.test:3128',
    },
    { 'key.json': JSON.stringify(key) },
  )
  await run(t, process)
  const line = JSON.parse(stdout().split('\n')[0] as string) as Record<string, unknown>
  t.equal(line['api_proxy'], 'proxy.example.test:3128 (https_proxy)')
  t.notOk('token_proxy' in line, 'a token server on loopback is reached directly')
  t.notMatch(stdout(), /canary/)
})

t.test('a proxy that cannot be used is a reason not to start', async (t) => {
  const { process, stderr } = bound({ HTTPS_PROXY: 'socks5://user:canary@proxy' })
  t.equal(await run(t, process), 2)
  t.match(stderr(), /HTTPS_PROXY: must be the URL of an http or https proxy/)
  t.notMatch(stderr(), /canary/)
})

t.test('warns of a Node that loses header fields', async (t) => {
  const { process, stdout } = bound()
  await run(t, { ...process, nodeVersion: 'v20.19.0' })
  const [line] = stdout().split('\n')
  t.match(JSON.parse(line as string), { level: 'warn', msg: /^Node 20\.19\.0 .*CVE-2026-58044/ })
})

const AFFECTED = [
  'v20.19.0',
  'v20.99.9',
  'v21.7.3',
  'v22.23.1',
  'v22.9.9',
  'v23.11.1',
  'v24.18.0',
  'v24.17.9',
  'v25.9.0',
  'v26.5.0',
  'v26.0.0',
]
const FIXED = ['v22.23.2', 'v22.24.0', 'v24.18.1', 'v24.18.10', 'v24.21.0', 'v26.5.1', 'v27.0.0']

for (const version of AFFECTED) {
  t.test(`Node ${version} is told of, and what to do`, async (t) => {
    const told = nodeAdvisory(version) ?? ''
    t.ok(told.startsWith(`Node ${version.slice(1)} loses`))
    t.match(told, /CVE-2026-58044.*update Node to 22\.23\.2, 24\.18\.1, 26\.5\.1/)
  })
}

for (const version of FIXED) {
  t.test(`Node ${version} is not told of`, async (t) => {
    t.equal(nodeAdvisory(version), undefined)
  })
}
