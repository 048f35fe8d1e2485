/**
 * The files for Cloud Foundry. `cf` and `mbt` need a platform to talk to, so what they would refuse is
 * checked by name here: the attributes of the manifest reference and of the MTA schema 3.3.
 */
import t from 'tap'
import { readFileSync } from 'node:fs'
import { parse } from 'yaml'
import { configSchema } from '../../src/config/settings.ts'

type Fields = Readonly<Record<string, unknown>>
type Env = Readonly<Record<string, string | number>>

interface App extends Fields {
  readonly routes?: readonly { readonly route: string }[]
  readonly services: readonly string[]
  readonly memory: string
  readonly env: Env
  readonly sidecars?: readonly (Fields & { readonly command: string; readonly memory: string })[]
}

interface Mta {
  readonly modules: readonly {
    readonly parameters: Fields
    readonly properties: Env
    readonly requires: readonly { readonly name: string }[]
  }[]
  readonly resources: readonly { readonly name: string; readonly parameters: Fields }[]
}

const folder = 'deploy/cloud-foundry'
const read = (path: string): string => readFileSync(path, 'utf8')
const appOf = (path: string): App =>
  (parse(read(path)) as { readonly applications: readonly [App] }).applications[0]

const app = appOf(`${folder}/manifest.yml`)
const withSidecar = appOf(`${folder}/sidecar/manifest.yml`)
const mta = parse(read(`${folder}/mta.yaml`)) as Mta
const [module] = mta.modules
const [resource] = mta.resources

const MEGABYTES = /^\d+M$/
const HEALTH = [
  'health-check-type',
  'health-check-http-endpoint',
  'health-check-invocation-timeout',
  'readiness-health-check-type',
  'readiness-health-check-http-endpoint',
  'readiness-health-check-invocation-timeout',
  'readiness-health-check-interval',
]
const ATTRIBUTES = new Set([
  ...HEALTH,
  'name',
  'path',
  'buildpacks',
  'command',
  'instances',
  'memory',
  'disk_quota',
  'routes',
  'services',
  'features',
  'timeout',
  'env',
  'sidecars',
])

t.test('the manifests have no attribute that Cloud Foundry does not know', async (t) => {
  for (const fields of [app, withSidecar]) {
    for (const name of Object.keys(fields)) t.ok(ATTRIBUTES.has(name), name)
    t.match(fields.memory, MEGABYTES)
  }
  for (const sidecar of withSidecar.sidecars ?? []) {
    t.same(Object.keys(sidecar).toSorted(), ['command', 'memory', 'name', 'process_types'])
  }
})

t.test('no route of the proxy is public', async (t) => {
  const routes = [
    ...(app.routes ?? []),
    ...((module?.parameters['routes'] ?? []) as App['routes'] & object),
  ]
  t.equal(routes.length, 2)
  for (const { route } of routes) t.ok(route.endsWith('.apps.internal'), route)
  t.notOk(withSidecar.routes, 'and the app beside the sidecar has its own')
})

t.test('manifest and MTA say the same', async (t) => {
  const named = { ...module?.parameters, disk_quota: module?.parameters['disk-quota'] } as Fields
  for (const name of [...HEALTH, 'command', 'instances', 'memory', 'disk_quota', 'routes']) {
    t.same(named[name], app[name], name)
  }
  t.same(named['app-features'], app['features'])
  t.same(module?.properties, app.env)
})

t.test('the binding is to an instance of the offering that the program looks for', async (t) => {
  t.same(app.services, [resource?.name])
  t.same(withSidecar.services, [resource?.name])
  t.same(module?.requires, [{ name: resource?.name }])
  t.equal(resource?.parameters['service'], configSchema.service.default)
})

t.test('health is asked where the program answers', async (t) => {
  const probes = read('src/admin/readiness.ts')
  for (const name of HEALTH.filter((name) => name.endsWith('endpoint'))) {
    t.ok(probes.includes(`'${String(app[name])}'`), name)
  }
})

t.test(
  'every command starts what the Procfile starts, as the process that gets the signal',
  async (t) => {
    const [, procfile] = read('Procfile').trim().split('web: ')
    t.equal(app['command'], `exec ${procfile}`)
    t.equal(
      withSidecar.sidecars?.[0]?.command,
      `exec ${procfile?.replace('dist/', 'service-key-proxy/dist/')}`,
    )
  },
)

t.test('the sidecar keeps to loopback and leaves PORT to the app', async (t) => {
  const { SKP_MODE: mode, SKP_PORT: port, ENTITIES_URL: url } = withSidecar.env
  t.equal(mode, 'sidecar')
  t.equal(url, `http://127.0.0.1:${port}`)
  t.notOk('SKP_HOST' in withSidecar.env)
})

t.test('a stop ends before the platform kills', async (t) => {
  t.match(app.env['SKP_DRAIN_TIMEOUT'], /^[1-5]\ds$/)
})
