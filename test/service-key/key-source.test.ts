import t from 'tap'
import { describeFound } from '../../src/service-key/binding-selection.ts'
import { codedError } from '../../src/service-key/file-system.ts'
import { keySources } from '../../src/service-key/key-source.ts'
import { locateKey, type LocateOptions, locateOptions, placesSeen } from '../fixtures/locate-key.ts'
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
  routes: Parameters<typeof keySources>[0],
  environment: Readonly<Record<string, string>>,
  binding?: string,
) => keySources(routes, locateOptions({ binding, environment, files: memoryFiles({}) }))

const route = (prefix: string, target: string, binding?: string) => ({ prefix, target, binding })

t.test('one binding under several prefixes is one source', async (t) => {
  const routes = [route('', 'entities'), route('/management', 'management')]
  const [source, ...others] = sources(routes, { VCAP_SERVICES: services('intas') })
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

t.test('every binding that a route names is a source of its own', async (t) => {
  const routes = [route('/dev', 'entities', 'dev'), route('/prod', 'entities', 'prod')]
  const found = sources(routes, { VCAP_SERVICES: services('dev', 'prod') })
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

t.test('a route that names no binding takes the one of SKP_BINDING', async (t) => {
  const environment = { VCAP_SERVICES: services('dev', 'prod') }
  const [source] = sources([route('', 'entities')], environment, 'prod')
  t.equal(source?.name, 'prod')
  t.match(source?.read(), { keys: [{ key: { clientId: 'sb-prod' } }] })
})

t.test('problems are told once, with their place and without values', async (t) => {
  const routes = [route('', 'entitees'), route('/m', 'management'), route('/x', 'nowhere')]
  const bad = JSON.parse(services('intas')) as Record<string, { credentials: object }[]>
  Object.assign(bad['integration-assessment']?.[0]?.credentials ?? {}, { clientid: '' })
  const [source] = sources(routes, { VCAP_SERVICES: JSON.stringify(bad) })
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
  const [source] = sources([route('', 'entities', 'none')], { VCAP_SERVICES: services('dev') })
  t.match(source?.read(), { ok: false, reason: 'unbound' })
})

const keyOf = (clientid: string) => ({
  entities: 'https://api.example/intas/entities/v1',
  clientid,
  clientsecret: 'secret',
  url: 'https://acme.example',
})
const entry = (name: string, clientid = name) => ({ name, credentials: keyOf(clientid) })
const vcap = (...entries: readonly object[]) =>
  JSON.stringify({ 'integration-assessment': entries })

interface Places {
  readonly files?: Readonly<Record<string, string>>
  readonly environment?: Readonly<Record<string, string>>
}

const optionsOf = ({ files = {}, environment }: Places, changes: Partial<LocateOptions> = {}) =>
  locateOptions({ files: memoryFiles(files), ...(environment && { environment }), ...changes })
const locate = (...args: Parameters<typeof optionsOf>) => locateKey(optionsOf(...args))
const seenIn = (...args: Parameters<typeof optionsOf>) => placesSeen(optionsOf(...args))

const outcome = (places: Places, changes: Partial<LocateOptions> = {}) => {
  const found = locate(places, changes)
  return found.ok ? [found.key.clientId, found.origin] : [found.reason, found.problems]
}

const everywhere = {
  files: {
    'key.json': JSON.stringify(keyOf('of the key file')),
    '/etc/vcap': vcap(entry('in-file', 'of the VCAP file')),
    '/root/in-root/key.json': JSON.stringify(keyOf('of SERVICE_BINDING_ROOT')),
    '/bindings/in-bindings/key.json': JSON.stringify(keyOf('of /bindings')),
    '/etc/secrets/sapcp/svc/in-sapcp/key.json': JSON.stringify(keyOf('of sapcp')),
    '/etc/secrets/sapbtp/svc/in-sapbtp/key.json': JSON.stringify(keyOf('of sapbtp')),
    'default-env.json': `{"VCAP_SERVICES":${vcap(entry('in-default', 'of default-env'))}}`,
  },
  environment: {
    SERVICE_BINDING_ROOT: '/root',
    VCAP_SERVICES_FILE_PATH: '/etc/vcap',
    VCAP_SERVICES: vcap(entry('in-env', 'of VCAP_SERVICES')),
  },
}

t.test('SKP_KEY_FILE wins over every other place', async (t) => {
  t.strictSame(outcome(everywhere, { keyFile: 'key.json' }), [
    'of the key file',
    'SKP_KEY_FILE key.json',
  ])
})

const ORDER = [
  ['of the VCAP file', 'VCAP_SERVICES_FILE_PATH /etc/vcap, binding "in-file"', '/etc/vcap'],
  ['of VCAP_SERVICES', 'VCAP_SERVICES, binding "in-env"', 'VCAP_SERVICES'],
  ['of SERVICE_BINDING_ROOT', 'SERVICE_BINDING_ROOT /root, binding "in-root"', '/root'],
  ['of /bindings', '/bindings, binding "in-bindings"', '/bindings'],
  ['of sapcp', '/etc/secrets/sapcp, binding "in-sapcp"', '/etc/secrets/sapcp'],
  ['of sapbtp', '/etc/secrets/sapbtp, binding "in-sapbtp"', '/etc/secrets/sapbtp'],
  ['of default-env', 'default-env.json, binding "in-default"', 'default-env.json'],
] as const

t.test('then come the other places, and the first one with a match wins', async (t) => {
  const files: Record<string, string> = { ...everywhere.files }
  const environment: Record<string, string> = { ...everywhere.environment }
  for (const [index, [clientId, origin, place]] of ORDER.entries()) {
    const found = locate({ files, environment })
    t.match(found, { ok: true, key: { clientId }, origin })
    t.equal(seenIn({ files, environment }).length, index + 1, 'none after it is looked at')
    for (const path of Object.keys(files)) if (path.startsWith(place)) delete files[path]
    for (const [name, value] of Object.entries(environment)) {
      if (name === place || value === place) delete environment[name]
    }
  }
  t.match(locate({ files, environment }), { ok: false, reason: 'unbound' })
})

t.test('a place without a match is passed over', async (t) => {
  const places = { ...everywhere, files: { ...everywhere.files, '/etc/vcap': '{}' } }
  t.match(outcome(places), ['of VCAP_SERVICES'])
})

t.test('a key file may hold bindings, which are selected like any', async (t) => {
  const files = { 'env.json': `{"VCAP_SERVICES":${vcap(entry('one'), entry('two'))}}` }
  t.strictSame(outcome({ files }, { keyFile: 'env.json', binding: 'two' }), [
    'two',
    'SKP_KEY_FILE env.json, binding "two"',
  ])
})

t.test(
  'a key file without a name is not taken for a binding that is asked for by name',
  async (t) => {
    t.strictSame(outcome(everywhere, { keyFile: 'key.json', binding: 'dev' }), [
      'unbound',
      [
        'SKP_KEY_FILE key.json: the one key there has no name, and "dev" is asked for (SKP_BINDING or SKP_MOUNTS)',
      ],
    ])
    const folder = { keyFile: '/bindings/in-bindings' }
    t.match(outcome(everywhere, { ...folder, binding: 'in-bindings' }), ['of /bindings'])
    t.match(outcome(everywhere, { ...folder, binding: 'dev' }), [
      'unbound',
      [/the one key there is called "in-bindings", and "dev" is asked for/],
    ])
  },
)

t.test('a key file whose bindings do not match ends the search', async (t) => {
  const files = { 'env.json': '{"VCAP_SERVICES":{}}' }
  t.strictSame(outcome({ ...everywhere, files }, { keyFile: 'env.json' }), [
    'unbound',
    [
      'no binding of SKP_SERVICE="integration-assessment" found; looked at SKP_KEY_FILE env.json (no bindings)',
    ],
  ])
})

t.test('a user-provided service is found by its shape', async (t) => {
  const VCAP_SERVICES = JSON.stringify({ 'user-provided': [entry('mine')] })
  t.match(outcome({ environment: { VCAP_SERVICES } }), ['mine'])
})

t.test('several matches are named, and none is chosen', async (t) => {
  const environment = { VCAP_SERVICES: vcap(entry('one'), entry('two')) }
  t.strictSame(outcome({ environment }), [
    'unbound',
    ['VCAP_SERVICES: several bindings match ("one", "two"); name one with SKP_BINDING'],
  ])
  t.match(outcome({ environment }, { binding: 'two' }), ['two'])
})

t.test('nothing found: every place is listed, with what was there', async (t) => {
  t.strictSame(outcome({}), [
    'unbound',
    [
      'no binding of SKP_SERVICE="integration-assessment" found; looked at VCAP_SERVICES_FILE_PATH (absent); VCAP_SERVICES (absent); SERVICE_BINDING_ROOT (absent); /bindings (absent); /etc/secrets/sapcp (absent); /etc/secrets/sapbtp (absent); default-env.json in the working directory (absent)',
    ],
  ])
  const environment = { VCAP_SERVICES_FILE_PATH: 'empty', VCAP_SERVICES: vcap(entry('one')) }
  t.strictSame(outcome({ environment, files: { empty: '{}' } }, { binding: 'two' }), [
    'unbound',
    [
      'no binding named "two" (SKP_BINDING or SKP_MOUNTS) found; looked at VCAP_SERVICES_FILE_PATH empty (no bindings); VCAP_SERVICES (no match among "one" (integration-assessment)); SERVICE_BINDING_ROOT (absent); /bindings (absent); /etc/secrets/sapcp (absent); /etc/secrets/sapbtp (absent); default-env.json in the working directory (absent)',
    ],
  ])
})

t.test('every problem of the key that was found carries its place', async (t) => {
  const VCAP_SERVICES = vcap({ name: 'one', credentials: { entities: 'nowhere' } })
  t.strictSame(outcome({ environment: { VCAP_SERVICES } }), [
    'invalid',
    [
      'VCAP_SERVICES, binding "one": field "entities" is not a URL',
      'VCAP_SERVICES, binding "one": field "clientid" is missing',
      'VCAP_SERVICES, binding "one": field "clientsecret" is missing',
      'VCAP_SERVICES, binding "one": field "url" is missing',
    ],
  ])
})

const BROKEN: Record<string, [changed: Places, keyFile: string | undefined, problem: string]> = {
  'a key file that is not there': [
    {},
    'gone.json',
    'SKP_KEY_FILE gone.json: cannot be read (ENOENT)',
  ],
  'a key file without JSON': [
    { files: { 'key.json': 'FAILED' } },
    'key.json',
    'SKP_KEY_FILE key.json: is not a JSON object',
  ],
  'a VCAP file that is not there': [
    { environment: { ...everywhere.environment, VCAP_SERVICES_FILE_PATH: 'gone' } },
    undefined,
    'VCAP_SERVICES_FILE_PATH gone: cannot be read (ENOENT)',
  ],
  'a VCAP file that is not text': [
    { files: { ...everywhere.files, '/etc/vcap': '\0' } },
    undefined,
    'VCAP_SERVICES_FILE_PATH /etc/vcap: is not UTF-8 text',
  ],
  'a key file that is not text': [
    { files: { 'key.json': '\0' } },
    'key.json',
    'SKP_KEY_FILE key.json: is not UTF-8 text',
  ],
  'a VCAP file without JSON': [
    { files: { ...everywhere.files, '/etc/vcap': '' } },
    undefined,
    'VCAP_SERVICES_FILE_PATH /etc/vcap: is not a JSON object',
  ],
  'broken VCAP_SERVICES': [
    { environment: { VCAP_SERVICES: '{' } },
    undefined,
    'VCAP_SERVICES: is not a JSON object',
  ],
  'a broken default-env.json': [
    { environment: {}, files: { 'default-env.json': '{' } },
    undefined,
    'default-env.json: is not a JSON object',
  ],
}

for (const [title, [changed, keyFile, problem]] of Object.entries(BROKEN)) {
  t.test(`${title} ends the search: going on could take another tenant's key`, async (t) => {
    t.strictSame(outcome({ ...everywhere, ...changed }, { keyFile }), ['invalid', [problem]])
  })
}

const CANARY = 'canary-5ecret'
const TEXTS = {
  'a lone secret': CANARY,
  'JSON that breaks off': `{"clientsecret":"${CANARY}"`,
  'JSON with a stray character': `{"clientsecret":"${CANARY}"}}`,
  'JSON with a bare value': `{"clientsecret":${CANARY}}`,
  'a list': `["${CANARY}"]`,
  'VCAP_SERVICES as broken text': JSON.stringify({ VCAP_SERVICES: `{"a":"${CANARY}"` }),
  'a key without the other fields': `{"clientsecret":"${CANARY}"}`,
}

for (const [title, text] of Object.entries(TEXTS)) {
  t.test(`${title} is refused without a word of it, wherever it is`, async (t) => {
    const files = { 'key.json': text, 'default-env.json': text }
    const environment = { VCAP_SERVICES: text }
    const VCAP_SERVICES_FILE_PATH = 'key.json'
    for (const options of [
      optionsOf({ files }, { keyFile: 'key.json' }),
      optionsOf({ files, environment: { VCAP_SERVICES_FILE_PATH } }),
      optionsOf({ environment }),
      optionsOf({ files }),
    ]) {
      const found = locateKey(options)
      t.equal(found.ok, false)
      t.notMatch(JSON.stringify([found, placesSeen(options)]), CANARY)
    }
  })
}

t.test('a key given where the path of a key file belongs is not repeated', async (t) => {
  const keyFile = JSON.stringify({ ...keyOf('client'), clientsecret: CANARY })
  const found = locate({}, { keyFile })
  t.equal(found.ok, false)
  t.notMatch(JSON.stringify([found, seenIn({}, { keyFile })]), CANARY)
})

t.test('a default-env.json about something else is passed over', async (t) => {
  const found = locate({ files: { 'default-env.json': '{"destinations":[]}' } })
  t.match(found, { ok: false, reason: 'unbound', problems: [/default-env\.json \(no bindings\)/] })
})

const denied = (): never => {
  throw codedError('EACCES')
}

t.test('a default-env.json that is there but unreadable ends the search', async (t) => {
  t.match(locate({}, { files: { ...memoryFiles({}), kindOf: denied } }), {
    ok: false,
    reason: 'invalid',
    problems: ['default-env.json: cannot be read (EACCES)'],
  })
})

t.test('two bindings of one instance, as during a rotation, are told apart by guid', async (t) => {
  const twins = ['guid-1', 'guid-2'].map((guid) =>
    Object.assign(entry('intas', `client of ${guid}`), { binding_guid: guid }),
  )
  const environment = { VCAP_SERVICES: vcap(...twins) }
  t.match(locate({ environment }), {
    ok: false,
    problems: [/"intas" \(guid-1\), "intas" \(guid-2\)/],
  })
  t.match(locate({ environment }, { binding: 'guid-2' }), {
    ok: true,
    key: { clientId: 'client of guid-2' },
  })
})

t.test('only a key that can change while the process runs has folders to watch', async (t) => {
  const { VCAP_SERVICES } = everywhere.environment
  const found = locate({ environment: { VCAP_SERVICES } })
  t.strictSame(found.ok && found.watch, [])
  t.match(locate(everywhere), { watch: [{ directory: '/etc', file: 'vcap' }] })
  t.match(locate(everywhere, { keyFile: '/bindings/in-bindings/key.json' }), {
    watch: [{ directory: '/bindings/in-bindings', file: 'key.json' }],
  })
})

const decided = (places: Places, changes: Partial<LocateOptions> = {}) =>
  seenIn(places, changes).map(describeFound).at(-1)

t.test('what was seen at the place that decided can be said in words', async (t) => {
  t.equal(decided(everywhere, { keyFile: 'key.json' }), 'a key')
  t.equal(
    decided(everywhere, { keyFile: 'key.json', binding: 'dev' }),
    'the one key there has no name, and "dev" is asked for (SKP_BINDING or SKP_MOUNTS)',
  )
  t.equal(decided(everywhere), '"in-file" (integration-assessment)')
  t.equal(decided({}, { keyFile: 'gone' }), 'cannot be read (ENOENT)')
})
