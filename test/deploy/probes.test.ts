/** The probes of the charts, asked of the program as the kubelet asks them: with the container's environment. */
import t, { type Test } from 'tap'
import { cpSync, mkdirSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import { dirname } from 'node:path'
import { parseAllDocuments } from 'yaml'
import { freePort } from '../fixtures/free-port.ts'
import { startProgram } from '../fixtures/program.ts'
import { startServer } from '../fixtures/recording-server.ts'
import { missing, run, template } from './tools.ts'

interface Probe {
  readonly httpGet: { readonly path: string; readonly port: string }
}

interface Container {
  readonly image: string
  readonly ports?: readonly { readonly name: string; readonly containerPort: number }[]
  readonly env?: readonly { readonly name: string; readonly value: string }[]
  readonly startupProbe: Probe
  readonly livenessProbe: Probe
  readonly readinessProbe: Probe
}

interface Rendered {
  readonly kind: string
  readonly spec: {
    readonly template: {
      readonly spec: { readonly initContainers?: Container[]; readonly containers: Container[] }
    }
  }
}

const SKIP = { skip: missing('helm') }
const IMAGE = 'registry.example.com/service-key-proxy'
const dir = t.testdir({})

t.before(() => {
  if (SKIP.skip !== false) return
  cpSync('helm', dir, { recursive: true })
  run('helm', ['dependency', 'build', '--skip-refresh', `${dir}/example-app`])
})

const containerOf = (chart: string, values: object): Container => {
  const file = `${dir}/values.json`
  writeFileSync(file, JSON.stringify(values))
  const objects = parseAllDocuments(template(`${dir}/${chart}`, file)).map(
    (document) => document.toJS() as Rendered | null,
  )
  const pod = objects.find((object) => object?.kind === 'Deployment')?.spec.template.spec
  const containers = [...(pod?.initContainers ?? []), ...(pod?.containers ?? [])]
  return containers.find(({ image }) => image.startsWith(IMAGE)) as Container
}

/** As in the container, but for ports that are free here and a folder in place of the mounted one. */
const environmentOf = async ({ env = [], ports = [] }: Container, bindings: string) => {
  const given = Object.fromEntries(env.map(({ name, value }) => [name, value]))
  const own: Record<string, string> = { ...given, KUBERNETES_SERVICE_HOST: '10.0.0.1' }
  const admin = String(ports.find(({ name }) => name.endsWith('admin'))?.containerPort)
  for (const [name, value] of Object.entries(given)) {
    if (name.endsWith('_PORT')) own[name] = String(await freePort())
    if (value.startsWith('/bindings')) own[name] = value.replace('/bindings', bindings)
  }
  return { own, isNamed: given['SKP_ADMIN_PORT'] === admin }
}

const write = (path: string, text: string): void => {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, text)
}

/** Not 127.0.0.1: the kubelet does not come from the loopback interface of the pod. */
const ask = (port: string | undefined, { httpGet: { path } }: Probe): Promise<number | undefined> =>
  new Promise((resolve, reject) => {
    http
      .get({ host: '127.0.0.2', port, path, agent: false }, ({ statusCode }) => resolve(statusCode))
      .on('error', reject)
  })

/** Answers once it is told to. */
const startTokens = async (t: Test) => {
  let grant: (() => void) | undefined
  const granted = new Promise<void>((resolve) => (grant = resolve))
  const { url } = await startServer(t, (_request, response) => {
    const token = JSON.stringify({ access_token: 'a.b.c', token_type: 'bearer', expires_in: 600 })
    response.setHeader('content-type', 'application/json')
    void granted.then(() => response.end(token))
  })
  return { url, grant: () => grant?.() }
}

const image = { repository: IMAGE }
const app = (nativeSidecar: boolean) => ({
  nativeSidecar,
  'service-key-proxy': { mode: 'sidecar', image },
})
const PODS: readonly (readonly [name: string, chart: string, values: object])[] = [
  ['a service', 'service-key-proxy', { image }],
  [
    'a service with a field of the Secret for each value',
    'service-key-proxy',
    { image, existingSecret: { name: 'key', key: '' } },
  ],
  ['a native sidecar', 'example-app', app(true)],
  ['a plain sidecar', 'example-app', app(false)],
]

for (const [name, chart, values] of PODS) {
  t.test(`the probes of ${name} are answered by the program`, SKIP, async (t) => {
    const tokens = await startTokens(t)
    const container = containerOf(chart, values)
    const bindings = t.testdir({})
    const { own, isNamed } = await environmentOf(container, bindings)
    const key = {
      entities: 'http://127.0.0.1:1/v1',
      url: tokens.url,
      clientid: 'sb-client!b1',
      clientsecret: 'canary',
    }
    if (own['SKP_KEY_FILE'] === undefined) {
      const fields = Object.entries({ ...key, type: 'integration-assessment' })
      for (const [field, value] of fields) write(`${bindings}/service-key/${field}`, value)
    } else write(own['SKP_KEY_FILE'], JSON.stringify(key))
    const { logged } = startProgram(t, [], own)
    await logged('listening')
    const { startupProbe, livenessProbe, readinessProbe } = container
    t.ok(isNamed, 'the port by its name is the admin port')
    for (const probe of [startupProbe, livenessProbe, readinessProbe]) {
      t.match(probe.httpGet.port, /admin$/)
    }
    const port = own['SKP_ADMIN_PORT']
    t.equal(await ask(port, startupProbe), 200, 'started')
    t.equal(await ask(port, livenessProbe), 200, 'alive without a token')
    t.equal(await ask(port, readinessProbe), 503, 'not ready without one')
    tokens.grant()
    await logged('token obtained')
    t.equal(await ask(port, readinessProbe), 200, 'ready with one')
  })
}
