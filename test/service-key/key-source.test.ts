import t from 'tap'
import { keySources } from '../../src/service-key/key-source.ts'
import { memoryFiles } from '../fixtures/memory-files.ts'

const credentials = (name: string) => ({
  entities: `https://${name}.example/v1`,
  management: `https://${name}.example/m1`,
  url: `https://${name}.auth.example`,
  clientid: `sb-${name}`,
  clientsecret: `canary-${name}`,
})

const services = (...names: readonly string[]): string =>
  JSON.stringify({
    'integration-assessment': names.map((name) => ({
      label: 'integration-assessment',
      name,
      credentials: credentials(name),
    })),
  })

const sources = (
  mounts: Parameters<typeof keySources>[0],
  environment: Readonly<Record<string, string>>,
  binding?: string,
) =>
  keySources(mounts, {
    service: 'integration-assessment',
    binding,
    keyFile: undefined,
    allowHttp: 'off',
    tokenUrl: undefined,
    environment,
    files: memoryFiles({}),
  })

const mount = (prefix: string, target: string, binding?: string) => ({ prefix, target, binding })

t.test('one binding under several prefixes is one source', async (t) => {
  const mounts = [mount('', 'entities'), mount('/management', 'management')]
  const [source, ...others] = sources(mounts, { VCAP_SERVICES: services('intas') })
  t.equal(others.length, 0)
  t.equal(source?.name, 'integration-assessment')
  t.match(source?.read(), {
    ok: true,
    keys: [
      { prefix: '', key: { baseUrl: new URL('https://intas.example/v1') } },
      { prefix: '/management', key: { baseUrl: new URL('https://intas.example/m1') } },
    ],
    origin: 'VCAP_SERVICES, binding "intas"',
    watch: [],
  })
})

t.test('every binding that a mount names is a source of its own', async (t) => {
  const mounts = [mount('/dev', 'entities', 'dev'), mount('/prod', 'entities', 'prod')]
  const found = sources(mounts, { VCAP_SERVICES: services('dev', 'prod') })
  t.same(
    found.map(({ name }) => name),
    ['dev', 'prod'],
  )
  t.match(
    found.map((source) => source.read()),
    [
      { keys: [{ prefix: '/dev', key: { clientId: 'sb-dev' } }] },
      { keys: [{ prefix: '/prod', key: { clientId: 'sb-prod' } }] },
    ],
  )
})

t.test('a mount that names no binding takes the one of SKP_BINDING', async (t) => {
  const environment = { VCAP_SERVICES: services('dev', 'prod') }
  const [source] = sources([mount('', 'entities')], environment, 'prod')
  t.equal(source?.name, 'prod')
  t.match(source?.read(), { keys: [{ key: { clientId: 'sb-prod' } }] })
})

t.test('problems are told once, with their place and without values', async (t) => {
  const mounts = [mount('', 'entitees'), mount('/m', 'management'), mount('/x', 'nowhere')]
  const bad = JSON.parse(services('intas')) as Record<string, { credentials: object }[]>
  Object.assign(bad['integration-assessment']?.[0]?.credentials ?? {}, { clientid: '' })
  const [source] = sources(mounts, { VCAP_SERVICES: JSON.stringify(bad) })
  const reading = source?.read()
  t.match(reading, {
    ok: false,
    reason: 'invalid',
    problems: [
      'VCAP_SERVICES, binding "intas": field "entitees" is missing',
      'VCAP_SERVICES, binding "intas": field "clientid" must be a non-empty text',
      'VCAP_SERVICES, binding "intas": field "nowhere" is missing',
    ],
  })
  t.notMatch(JSON.stringify(reading), /canary/)
})

t.test('a binding that is not there is not there', async (t) => {
  const [source] = sources([mount('', 'entities', 'none')], { VCAP_SERVICES: services('dev') })
  t.match(source?.read(), { ok: false, reason: 'unbound' })
})
