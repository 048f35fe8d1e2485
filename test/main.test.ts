/** The built program, looked at as a process: by its exit code, its output and what it sends. */
import t, { type Test } from 'tap'
import http from 'node:http'
import { freePort } from './fixtures/free-port.ts'
import { once } from 'node:events'
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import net, { type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { call } from './fixtures/http-client.ts'
import { startProgram } from './fixtures/program.ts'
import { startTokenServer } from './fixtures/proxy.ts'
import { startServer, startStreamingServer } from './fixtures/recording-server.ts'

const SECRET = 'canary+secret/value='

const vcapServices = (entities: string, url: string): string =>
  JSON.stringify({
    'integration-assessment': [
      {
        label: 'integration-assessment',
        name: 'intas',
        tags: [],
        credentials: { entities, url, clientid: 'sb-client!b1', clientsecret: SECRET },
      },
    ],
  })

/** What the program finds where a service is bound to it. */
const bind = async (t: Test, api: string) => {
  const tokenServer = await startTokenServer(t)
  const environment = {
    PORT: '0',
    VCAP_SERVICES: vcapServices(api, tokenServer.url),
    SKP_DRAIN_DELAY: '0ms',
  }
  return { tokenServer, environment }
}

/** The program with a bound service, listening on a free port. */
const startBound = async (
  t: Test,
  api: string,
  settings: Readonly<Record<string, string>> = {},
  program: Parameters<typeof startProgram>[3] = 'built',
) => {
  const { tokenServer, environment } = await bind(t, api)
  const running = startProgram(t, [], { ...environment, ...settings }, program)
  const { address } = await running.logged('listening')
  return { ...running, port: Number(new URL(String(address)).port), tokenServer }
}

for (const program of ['built', 'source'] as const) {
  t.test(`from ${program}: tells its usage and version`, async (t) => {
    const help = startProgram(t, ['--help'], {}, program)
    const version = startProgram(t, ['--version'], {}, program)
    const wrong = startProgram(t, ['sevre'], {}, program)
    t.same(await Promise.all([help.ended, version.ended, wrong.ended]), [0, 0, 2])
    t.match(help.stdout(), /^Usage: service-key-proxy/)
    t.match(version.stdout(), /^\d+\.\d+\.\d+\n$/)
    t.equal(
      wrong.stderr(),
      'service-key-proxy: unknown command "sevre"; --help lists what there is\n',
    )
  })

  t.test(
    `from ${program}: runs with nothing but PORT and VCAP_SERVICES, stops on SIGTERM only`,
    async (t) => {
      const api = await startServer(t, (_request, response) => response.end('{"d":{}}'))
      const { port, child, ended } = await startBound(t, api.url, {}, program)
      t.match(await call(port, { path: '/Vendor' }), { status: 200 })
      child.kill('SIGHUP')
      t.match(await call(port, { path: '/Vendor' }), { status: 200 })
      child.kill('SIGTERM')
      t.equal(await ended, 0)
    },
  )

  t.test(`from ${program}: cannot start without a binding, and check tells why`, async (t) => {
    const start = startProgram(t, [], {}, program)
    const check = startProgram(t, ['check', '--json'], {}, program)
    const broken = startProgram(t, [], { SKP_CA_FILE: '/none.pem' }, program)
    t.same(await Promise.all([start.ended, check.ended, broken.ended]), [3, 3, 2])
    t.match(broken.stderr(), /SKP_CA_FILE/)
    t.match(start.stderr(), /no binding of SKP_SERVICE="integration-assessment" found/)
    t.match(JSON.parse(check.stdout()), { ok: false, exitCode: 3 })
  })
}

const dist = (file: string): string => fileURLToPath(new URL(`../dist/${file}`, import.meta.url))

t.test('the built program is one file that needs no other, for a terminal too', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'skp-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'service-key-proxy.mjs')
  copyFileSync(dist('service-key-proxy.mjs'), file)
  const version = startProgram(t, ['--version'], {}, [file])
  const api = await startServer(t, (_request, response) => response.end('{"d":{}}'))
  const { environment } = await bind(t, api.url)
  const settings = { ...environment, SKP_LOG_FORMAT: 'pretty' }
  const { child, stdout, ended } = startProgram(t, [], settings, [file])
  const shown = async (pattern: RegExp): Promise<string> => {
    for (;;) {
      const found = pattern.exec(stdout())?.[1]
      if (found !== undefined) return found
      if (child.stdout !== null) await once(child.stdout, 'data')
    }
  }
  const port = Number(await shown(/listening on http:\/\/127\.0\.0\.1:(\d+)/))
  t.match(await call(port, { path: '/Vendor' }), { status: 200 })
  t.equal(await shown(/INFO.*: GET (\/Vendor) 200/), '/Vendor')
  child.kill('SIGTERM')
  t.equal(await ended, 0)
  t.equal(await version.ended, 0)
})

t.test('of Node, the built program loads nothing that it does not use', async (t) => {
  const tell = 'process.on("exit", () => process.stderr.write(process.moduleLoadList.join("\\n")))'
  const hook = `data:text/javascript,${encodeURIComponent(tell)}`
  const api = await startServer(t, (_request, response) => response.end('{"d":{}}'))
  const program = ['--import', hook, dist('service-key-proxy.mjs')]
  const { port, child, ended, stderr } = await startBound(t, api.url, {}, program)
  t.match(await call(port), { status: 200 })
  child.kill('SIGTERM')
  t.equal(await ended, 0)
  const loaded = stderr().split('\n')
  t.ok(loaded.includes('NativeModule http'))
  const spared = ['internal/deps/undici/undici', 'http2', 'internal/http2/core']
  t.same(
    spared.filter((name) => loaded.includes(`NativeModule ${name}`)),
    [],
  )
})

t.test('the licences of the libraries in the built program are beside it', async (t) => {
  const notices = readFileSync(dist('THIRD-PARTY-LICENSES'), 'utf8')
  for (const name of ['@fastify/http-proxy', 'fastify', 'pino', 'pino-pretty', 'undici']) {
    t.match(notices, new RegExp(`^${name} \\d.* \\(MIT\\)$`, 'm'))
  }
})

t.test('a broken VCAP_SERVICES does not print the secret in it', async (t) => {
  const broken = vcapServices('https://api.example.com', 'https://token.example.com').slice(0, -3)
  const { ended, stdout, stderr } = startProgram(t, [], { VCAP_SERVICES: broken })
  t.equal(await ended, 2)
  t.match(stderr(), /VCAP_SERVICES: is not a JSON object/)
  t.notMatch(stdout() + stderr(), /canary/)
})

t.test('every problem is told at once', async (t) => {
  const { ended, stderr } = startProgram(t, ['--log-level', 'loud'], {
    VCAP_SERVICES: vcapServices('http://api.example.com', 'not a url'),
    SKP_CONNECT_TIMEOUT: '5',
  })
  t.equal(await ended, 2)
  for (const name of ['--log-level', 'SKP_CONNECT_TIMEOUT', 'entities', 'url']) {
    t.ok(stderr().includes(name), name)
  }
  t.notMatch(stderr(), /canary/)
})

t.test('a port in use has its own exit code', async (t) => {
  const holder = net.createServer()
  await new Promise<void>((resolve) => {
    holder.listen(0, '127.0.0.1', resolve)
  })
  t.teardown(() => holder.close())
  const { port } = holder.address() as AddressInfo
  const { ended, stderr } = startProgram(t, ['--port', String(port)], {
    VCAP_SERVICES: vcapServices('https://api.example.com', 'https://token.example.com'),
  })
  t.equal(await ended, 4)
  t.match(stderr(), new RegExp(`port ${port} on 127.0.0.1 is in use; choose another with SKP_PORT`))
})

t.test('SIGTERM lets requests in flight finish', async (t) => {
  let finish: (() => void) | undefined
  const api = await startStreamingServer(t, (_request, response) => {
    response.write('first ')
    finish = () => response.end('last')
  })
  const { port, child, ended, logged } = await startBound(t, api.url)
  const inFlight = call(port)
  while (finish === undefined) await new Promise(setImmediate)
  child.kill('SIGTERM')
  await logged('stopping')
  finish()
  t.equal((await inFlight).body.toString(), 'first last')
  t.equal(await ended, 0)
})

t.test('no line is lost when the program stops under load', async (t) => {
  const api = await startServer(t, (_request, response) => response.end('{"d":{}}'))
  const settings = { SKP_DRAIN_DELAY: '50ms', VCAP_APPLICATION: '{"application_name":"intas"}' }
  const { port, child, ended, stdout } = await startBound(t, api.url, {
    ...settings,
    SKP_HOST: '127.0.0.1',
  })
  const agent = new http.Agent({ keepAlive: true, maxSockets: 16 })
  t.teardown(() => agent.destroy())
  const statuses: number[] = []
  let stopping = false
  const callUntilClosed = async (): Promise<void> => {
    while (!stopping || statuses.length < 300) {
      const response = await call(port, { path: '/Vendor', agent }).catch(() => undefined)
      if (response === undefined || response.headers.connection === 'close') return
      statuses.push(response.status)
      if (statuses.length === 300) stopping = child.kill('SIGTERM')
    }
  }
  await Promise.all(Array.from({ length: 16 }, callUntilClosed))
  t.equal(await ended, 0)
  const lines = stdout().trim().split('\n')
  const records = lines.map((line) => JSON.parse(line) as Record<string, unknown>)
  const answered = records.filter(({ type, token }) => type === 'request' && token !== undefined)
  t.ok(statuses.length >= 300)
  t.equal(answered.length, api.requests.length, 'one for every request that the API has seen')
  t.ok(answered.length >= statuses.length)
  t.ok(records.every(({ component_name }) => component_name === 'intas'))
  t.match(records.at(-1), { msg: 'stopped' })
})

for (const program of ['built', 'source'] as const) {
  t.test(`from ${program}: the admin port works, and does not hold up the end`, async (t) => {
    const api = await startServer(t, (_request, response) => response.end('{"d":{}}'))
    const adminPort = await freePort()
    const settings = { SKP_ADMIN_PORT: String(adminPort) }
    const { port, child, ended, stdout } = await startBound(t, api.url, settings, program)
    const put = { method: 'PUT', path: '/log-level', body: '{"level":"debug"}' }
    const headers = { 'content-type': 'application/json' }
    t.match(await call(adminPort, { ...put, headers }), { status: 200 })
    t.equal((await call(port)).status, 200)
    const metrics = (await call(adminPort, { path: '/metrics' })).body.toString()
    t.match(metrics, /\nservice_key_proxy_requests_total\{.*status="200".*\} 1\n/)
    t.match(metrics, /\nprocess_cpu_seconds_total /)
    child.kill('SIGTERM')
    t.equal(await ended, 0)
    t.match(stdout(), /"msg":"stopping"[^]*"msg":"stopped"/)
  })
}

t.test('a second signal ends at once', async (t) => {
  const api = await startStreamingServer(t, () => {})
  const { port, child, ended, logged } = await startBound(t, api.url)
  call(port).catch(() => {})
  await logged('token obtained')
  child.kill('SIGTERM')
  await logged('stopping')
  child.kill('SIGTERM')
  t.equal(await ended, 1)
})

t.test('logs JSON with level names and ISO times, and no secret', async (t) => {
  const api = await startServer(t, ({ headers }, response) => {
    response.writeHead(500).end(String(headers.authorization))
  })
  const program = await startBound(t, api.url, { SKP_LOG_LEVEL: 'trace' })
  await call(program.port, { path: '/Vendor' })
  await call(program.port, { path: '/%2e%2e/x' })
  await program.logged('GET /%2e%2e/x')
  program.child.kill('SIGTERM')
  t.equal(await program.ended, 0)
  const output = program.stdout() + program.stderr()
  t.notMatch(output, /canary|test-token/)
  for (const line of output.trim().split('\n')) {
    const { level, written_at: writtenAt } = JSON.parse(line) as Record<string, string>
    t.match(level, /^(info|warn)$/)
    t.match(writtenAt, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
  }
})
