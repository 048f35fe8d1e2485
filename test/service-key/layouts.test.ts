/** Every layout on a real file system: the same key comes out of all, and @sap/xsenv is compared. */
import xsenv from '@sap/xsenv'
import t, { type Test } from 'tap'
import { realpathSync } from 'node:fs'
import { join } from 'node:path'
import { systemFiles } from '../../src/commands/process.ts'
import { locateCredentials } from '../../src/service-key/key-source.ts'
import { KEYS, LAYOUTS, OFFERING, type Credentials } from '../fixtures/binding-layouts.ts'
import { createKubeletVolume } from '../fixtures/kubelet-volume.ts'
import { locateKey, type LocateOptions, locateOptions, placesSeen } from '../fixtures/locate-key.ts'

const options = (changes: Partial<LocateOptions>): LocateOptions =>
  locateOptions({ service: OFFERING, files: systemFiles, ...changes })
const locate = (changes: Partial<LocateOptions>) => locateKey(options(changes))
const atRoot = (root: string) => ({ environment: { SERVICE_BINDING_ROOT: root } })
const newRoot = (t: Test): string => realpathSync(t.testdir())

const EXPECTED = {
  ok: true,
  key: {
    clientId: 'sb-0d3c!b1|intas!b2',
    authentication: { method: 'client_secret_post', clientSecret: 'canary-f1e2-$Qz+/=' },
    baseUrl: new URL('https://api.example/intas/entities/v1'),
    tokenEndpoint: new URL('https://acme.authentication.example/oauth/token'),
  },
}

const forms = Object.entries(KEYS)

for (const [title, write] of Object.entries(LAYOUTS)) {
  for (const [form, key] of forms) {
    t.test(`${title}: a ${form} key is found at a root, and as SKP_KEY_FILE`, async (t) => {
      const root = newRoot(t)
      const folder = write(root, key)
      const directory = title.startsWith('a projected volume') ? root : folder
      const watch = [{ directory }]
      const origin = `SERVICE_BINDING_ROOT ${root}, binding "intas"`
      const found = locate(atRoot(root))
      t.match(found, { ...EXPECTED, origin, watch })
      t.strictSame(found.ok && found.warnings, [])
      t.match(locate({ keyFile: folder }), {
        ...EXPECTED,
        origin: `SKP_KEY_FILE ${folder}`,
        watch,
      })
    })
  }
}

t.test(
  'a binding at a root is found by its own name, its tag, and for another target',
  async (t) => {
    const root = newRoot(t)
    LAYOUTS['SAP BTP service operator, default']?.(root, KEYS.nested)
    for (const changes of [{ binding: 'intas' }, { binding: 'my-instance' }, { service: 'sap' }]) {
      t.match(locate({ ...atRoot(root), ...changes }), EXPECTED)
    }
    const other = join(root, '..', 'other')
    LAYOUTS['SAP BTP service operator, secretTemplate']?.(other, KEYS.flat)
    const tagged = { ...atRoot(other), service: 'sap' }
    t.match(locate(tagged), EXPECTED)
    t.match(locateCredentials(options(tagged)), { ok: true, reason: /a tag is SKP_SERVICE/ })
    const baseUrl = new URL(String(KEYS.nested['management']))
    t.match(locate({ ...atRoot(root), target: 'management' }), { key: { baseUrl } })
    t.match(locate({ ...atRoot(root), target: 'endpoints.api' }), EXPECTED)
    t.match(locate({ ...atRoot(root), binding: 'other' }), { ok: false, reason: 'unbound' })
  },
)

t.test('several bindings at a root are told apart, with what they are', async (t) => {
  const root = newRoot(t)
  for (const name of ['dev', 'prod']) {
    createKubeletVolume(join(root, name), { 'key.json': JSON.stringify(KEYS.flat), type: OFFERING })
  }
  createKubeletVolume(join(root, 'db'), { type: 'hana', password: 'canary' })
  t.match(locate(atRoot(root)), {
    ok: false,
    reason: 'unbound',
    problems: [/several bindings match \("dev", "prod"\); name one with SKP_BINDING/],
  })
  t.match(locate({ ...atRoot(root), binding: 'prod' }), {
    watch: [{ directory: join(root, 'prod') }],
  })
  t.match(locate({ ...atRoot(root), binding: 'x' }), {
    problems: [
      /no match among "db" \(hana\), "dev" \(integration-assessment\), "prod" \(integration-/,
    ],
  })
  t.match(locate({ keyFile: root, binding: 'dev' }), {
    ok: true,
    origin: `SKP_KEY_FILE ${root}, binding "dev"`,
  })
})

t.test('a group of bindings may have a file beside them', async (t) => {
  const root = newRoot(t)
  createKubeletVolume(join(root, 'team'), {
    'README.md': 'These are bindings.',
    'intas/type': OFFERING,
    'intas/tags': '[7]',
    'intas/key.json': JSON.stringify(KEYS.flat),
  })
  t.match(locate(atRoot(root)), { ...EXPECTED, watch: [{ directory: join(root, 'team') }] })
})

t.test('the credentials of a found binding serve any target, without another search', async (t) => {
  const root = newRoot(t)
  LAYOUTS['SAP BTP service operator, secretKey']?.(root, KEYS.flat)
  t.match(locateCredentials(options(atRoot(root))), { ok: true, credentials: KEYS.flat })
})

t.test('a layered binding by hand is labelled by the folder it is in', async (t) => {
  const root = newRoot(t)
  const certificate = 'first line\nlast line\n'
  createKubeletVolume(join(root, OFFERING, 'intas'), { certificate, clientid: 'a\r\n' })
  t.match(locateCredentials(options(atRoot(root))), {
    reason: /its type, label or a tag is SKP_SERVICE/,
    credentials: { certificate, clientid: 'a' },
  })
})

t.test('a root that SERVICE_BINDING_ROOT names is not looked at again', async (t) => {
  const seen = placesSeen(options(atRoot('/etc/secrets/sapcp/')))
  t.strictSame(
    seen.map(({ place }) => place),
    [
      'VCAP_SERVICES_FILE_PATH',
      'VCAP_SERVICES',
      'SERVICE_BINDING_ROOT /etc/secrets/sapcp/',
      '/bindings',
      '/etc/secrets/sapbtp',
      'default-env.json in the working directory',
    ],
  )
})

/** Tags of the ways in which the credentials differ. */
const differencesIn = (mine: Credentials, theirs: Credentials): readonly string[] => {
  const shared = Object.keys(mine).filter((name) => Object.hasOwn(theirs, name))
  if (shared.length < Object.keys(mine).length) return ['file']
  const tags: string[] = []
  if (Object.keys(theirs).length > shared.length) tags.push('metadata')
  if (shared.some((name) => typeof mine[name] !== typeof theirs[name])) tags.push('text')
  const texts = shared.filter((name) => typeof mine[name] === 'string')
  if (texts.some((name) => mine[name] !== theirs[name])) tags.push('line break')
  return tags
}

/** Tags of the ways in which @sap/xsenv gives something else. */
const differences = (root: string): readonly string[] => {
  const ours = locateCredentials(options(atRoot(root)))
  if (!ours.ok) return ['nothing found']
  const tags: string[] = []
  try {
    if (xsenv.filterServices(root, { label: OFFERING }).length !== 1) tags.push('label')
  } catch {
    return ['throws']
  }
  const services = xsenv.readServices(root, { disableCache: true })
  if (Object.keys(services).some((name) => name.startsWith('..'))) tags.push('names')
  const theirs = Object.values(services).at(-1)?.credentials ?? {}
  return [...tags, ...differencesIn(ours.credentials as Credentials, theirs)]
}

/** What each tag means, and why it rules @sap/xsenv out. */
const WHY: Readonly<Record<string, string>> = {
  label: 'a query by label finds none or several: the layout has `type` only, or see `names`',
  names: 'links of the kubelet (`..data`) are taken for bindings',
  file: 'the key stays inside the value of its file',
  metadata: 'names, tags and such are among the credentials; harmless here',
  text: 'what is not a text, such as an object in `uaa`, stays one',
  'line break': 'the line break at the end of a text file stays in the secret',
  throws: 'JSON.parse of tags with commas, and the message quotes the text',
}

const XSENV: Readonly<Record<string, readonly string[]>> = {
  'servicebinding.io': ['label', 'text'],
  'Cloud Foundry, service-binding-k8s': ['label', 'metadata', 'text'],
  'SAP BTP service operator, default': [],
  'layered, default': ['metadata', 'text'],
  'SAP BTP service operator, secretKey': [],
  'layered, secretKey': ['file'],
  'SAP BTP service operator, secretRootKey': ['label', 'names', 'file'],
  'layered, secretRootKey': ['file'],
  'SAP BTP service operator, secretKey in secretRootKey': ['label', 'names', 'file'],
  'layered, secretKey in secretRootKey': ['file'],
  'SAP BTP service operator, secretTemplate': ['throws'],
  'layered, secretTemplate': ['throws'],
  'a group of bindings, as CAP reads it': ['label', 'metadata'],
  'a projected volume of several bindings': ['label', 'metadata'],
  'a Secret by hand, a file per field': ['label', 'names', 'line break'],
  'a Secret by hand, the key in one file': ['label', 'names', 'file'],
  'a Secret by hand, the output of cf service-key in one file': ['label', 'names', 'file'],
}

for (const [title, write] of Object.entries(LAYOUTS)) {
  t.test(`${title}: @sap/xsenv reads the same, but for what is known`, async (t) => {
    const found = forms.flatMap(([form, key]) => {
      const root = join(newRoot(t), form)
      write(root, key)
      return differences(root)
    })
    const tags = [...new Set(found)]
    t.strictSame(tags, XSENV[title], tags.map((tag) => WHY[tag] ?? tag).join('; '))
  })
}

t.test('after a rotation we read the new secret, where @sap/xsenv keeps the old one', async (t) => {
  const root = newRoot(t)
  const folder = join(root, OFFERING, 'intas')
  const volume = createKubeletVolume(folder, { 'key.json': JSON.stringify(KEYS.flat) })
  const theirs = () => JSON.stringify(xsenv.filterServices(root, { label: OFFERING }))
  t.match(theirs(), 'canary-f1e2')
  volume.write({ 'key.json': JSON.stringify({ ...KEYS.flat, clientsecret: 'canary-new' }) })
  t.match(locate(atRoot(root)), { key: { authentication: { clientSecret: 'canary-new' } } })
  t.match(theirs(), 'canary-f1e2')
})
