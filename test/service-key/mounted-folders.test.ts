/** What can be wrong with a mounted folder: told clearly, survived, and without a secret in it. */
import t, { type Test } from 'tap'
import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { systemFiles } from '../../src/commands/process.ts'
import { MAX_FILE_BYTES, type FileSystem } from '../../src/service-key/file-system.ts'
import { createKubeletVolume } from '../fixtures/kubelet-volume.ts'
import { locateKey, locateOptions, placesSeen } from '../fixtures/locate-key.ts'

const KEY = {
  type: 'integration-assessment',
  entities: 'https://api.example/v1',
  url: 'https://acme.example',
  clientid: 'client',
  clientsecret: 'canary-secret',
}
const newRoot = (t: Test): string => realpathSync(t.testdir())

const optionsAt = (root: string, files = systemFiles, keyFile?: string) =>
  locateOptions({ keyFile, environment: { SERVICE_BINDING_ROOT: root }, files })
const at = (...args: Parameters<typeof optionsAt>) => locateKey(optionsAt(...args))

/** Without the root in it, which is another one in every test. */
const told = (root: string, found: ReturnType<typeof at>): readonly string[] =>
  (found.ok ? found.warnings : found.problems).map((problem) => problem.replaceAll(root, '/root'))

const makePipe = (path: string) => execFileSync('sh', ['-c', 'mkfifo "$0"', path])

type Spoil = (folder: string) => void

const spoilt =
  (name: string, spoil: (path: string) => void): Spoil =>
  (folder) => {
    rmSync(join(folder, name))
    spoil(join(folder, name))
  }
const SECRET = 'SERVICE_BINDING_ROOT /root, binding "intas": file "clientsecret"'
const MISSING = 'SERVICE_BINDING_ROOT /root, binding "intas": field "clientsecret" is missing'

const FAULTS: Readonly<Record<string, [spoil: Spoil, problems: readonly string[]]>> = {
  'a directory instead of a file': [
    spoilt('clientsecret', (path) => mkdirSync(path)),
    [`${SECRET} is a directory, not a file`, MISSING],
  ],
  'a file that links to itself': [
    spoilt('clientsecret', (path) => symlinkSync('clientsecret', path)),
    [`${SECRET} is a link that leads back to itself (ELOOP)`, MISSING],
  ],
  'a link to nothing': [
    spoilt('clientsecret', (path) => symlinkSync('gone', path)),
    [`${SECRET} cannot be read (ENOENT)`, MISSING],
  ],
  'a pipe that nobody writes to': [
    spoilt('clientsecret', (path) => makePipe(path)),
    [`${SECRET} is no regular file`, MISSING],
  ],
  'a text nested for ever': [
    spoilt('clientsecret', (path) => writeFileSync(path, '{"canary":'.repeat(100_000))),
    [`${SECRET} is nested more than 32 deep`, MISSING],
  ],
  'binary junk': [
    spoilt('clientsecret', (path) => {
      writeFileSync(path, Buffer.from('canary\xff\xfe', 'latin1'))
    }),
    [`${SECRET} is not UTF-8 text`, MISSING],
  ],
  'a NUL byte': [
    spoilt('clientsecret', (path) => {
      writeFileSync(path, 'canary\0')
    }),
    [`${SECRET} is not UTF-8 text`, MISSING],
  ],
  'more than 1 MB': [
    spoilt('clientsecret', (path) => {
      writeFileSync(path, 'canary-'.padEnd(MAX_FILE_BYTES + 1, 'x'))
    }),
    [`${SECRET} is larger than 1 MB`, MISSING],
  ],
  'an empty file': [
    spoilt('clientsecret', (path) => {
      writeFileSync(path, '')
    }),
    ['SERVICE_BINDING_ROOT /root, binding "intas": field "clientsecret" must be a non-empty text'],
  ],
  'a metadata file without JSON': [
    (folder) => {
      writeFileSync(join(folder, '.metadata'), '{"canary')
      rmSync(join(folder, 'clientsecret'))
    },
    ['SERVICE_BINDING_ROOT /root, binding "intas": file ".metadata" is not a JSON object', MISSING],
  ],
  'no access to the folder it links to': [
    (folder) => {
      rmSync(folder, { recursive: true })
      symlinkSync('intas', folder)
    },
    [
      'SERVICE_BINDING_ROOT /root, binding "root": file "intas" is a link that leads back to itself (ELOOP)',
    ],
  ],
}

for (const [title, [spoil, problems]] of Object.entries(FAULTS)) {
  t.test(`${title}: is told, and nothing else is taken instead`, async (t) => {
    const root = join(newRoot(t), 'root')
    const folder = join(root, 'intas')
    mkdirSync(folder, { recursive: true })
    for (const [name, text] of Object.entries(KEY)) writeFileSync(join(folder, name), text)
    spoil(folder)
    const found = at(root)
    t.match(found, { ok: false, reason: 'invalid' })
    t.strictSame(told(root, found), problems)
    t.notMatch(JSON.stringify([found, placesSeen(optionsAt(root))]), 'canary')
  })
}

t.test('a fault beside the key is a warning, up to 1 MB is read', async (t) => {
  const root = newRoot(t)
  const { path } = createKubeletVolume(join(root, 'intas'), {
    ...KEY,
    large: 'x'.repeat(MAX_FILE_BYTES),
    keystore: Buffer.from([0, 1, 2, 255]),
  })
  mkdirSync(join(path, '..data', 'folder'))
  const found = at(root)
  t.match(found, { ok: true, key: { clientId: 'client' } })
  t.strictSame(told(root, found), [
    'SERVICE_BINDING_ROOT /root, binding "intas": file "folder" is a directory, not a file',
    'SERVICE_BINDING_ROOT /root, binding "intas": file "keystore" is not UTF-8 text',
  ])
})

t.test('a folder that cannot be read does not hide the key beside it', async (t) => {
  const root = newRoot(t)
  createKubeletVolume(join(root, 'intas'), KEY)
  mkdirSync(join(root, 'many'))
  for (let count = 0; count <= 100; count += 1) writeFileSync(join(root, 'many', `${count}`), '')
  mkdirSync(join(root, 'empty'))
  mkdirSync(join(root, 'looped'))
  symlinkSync('..data', join(root, 'looped', '..data'))
  const found = at(root)
  t.match(found, { ok: true, key: { clientId: 'client' }, warnings: [] })
  const seen = placesSeen(optionsAt(root)).at(-1)?.bindings ?? []
  t.strictSame(
    seen.map(({ name, problems }) => [name, problems]),
    [
      ['"empty"', []],
      ['"intas"', []],
      ['"looped"', ['is a link that leads back to itself (ELOOP)']],
      ['"many"', ['has more entries than a binding has']],
    ],
  )
})

t.test(
  'a root that is named but no folder ends the search; one that is absent does not',
  async (t) => {
    const root = newRoot(t)
    writeFileSync(join(root, 'file'), 'canary')
    t.match(at(join(root, 'file')), {
      ok: false,
      reason: 'invalid',
      problems: [/SERVICE_BINDING_ROOT .*file: is not a folder \(ENOTDIR\)/],
    })
    t.match(at(join(root, 'gone')), { ok: false, reason: 'unbound', problems: [/gone \(absent\)/] })
    t.match(at(root), {
      ok: false,
      reason: 'unbound',
      problems: [/no match among "(?:[^"]+)" \(no type/],
    })
    t.match(at('{"clientsecret":"canary"}'), {
      problems: [/SERVICE_BINDING_ROOT \(must be a path\)/],
    })
  },
)

t.test(
  'a file that the user may not read is told',
  { skip: process.getuid?.() === 0 },
  async (t) => {
    const root = newRoot(t)
    const { path } = createKubeletVolume(join(root, 'intas'), KEY)
    chmodSync(join(path, 'clientsecret'), 0)
    t.match(told(root, at(root)), [/file "clientsecret" cannot be read \(EACCES\)/, /is missing/])
    chmodSync(path, 0)
    t.match(told(root, at(root)), [/"intas": cannot be read \(EACCES\)/])
    chmodSync(path, 0o700)
  },
)

t.test('several keys in one folder are none, and named', async (t) => {
  const root = newRoot(t)
  const key = JSON.stringify({ clientid: 'a', clientsecret: 'canary' })
  createKubeletVolume(join(root, 'intas'), { type: KEY.type, 'dev.json': key, 'prod.json': key })
  t.match(told(root, at(root)), [
    /several files hold a key \("dev\.json", "prod\.json"\)/,
    /"entities" is missing/,
    /"clientid" is missing/,
  ])
  t.notMatch(JSON.stringify([at(root), placesSeen(optionsAt(root))]), 'canary')
})

t.test('JSON within JSON is looked into a few levels deep only', async (t) => {
  const root = newRoot(t)
  const deep = `${'{"a":'.repeat(30)}{"clientid":"canary"}${'}'.repeat(30)}`
  createKubeletVolume(join(root, 'intas'), { type: KEY.type, 'key.json': deep })
  t.match(told(root, at(root)), [/"entities" is missing/, /"clientid" is missing/])
})

t.test('metadata that does not fit the files is told', async (t) => {
  const root = newRoot(t)
  const credentialProperties = [7, { name: 'gone' }, { name: 'clientsecret', format: 'json' }]
  createKubeletVolume(join(root, 'intas'), {
    ...KEY,
    '.metadata': JSON.stringify({ metaDataProperties: 'none', credentialProperties }),
  })
  t.match(told(root, at(root)), [/file "clientsecret" is not JSON, which \.metadata says it is/])
})

/** Does something before a certain file is read, as the kubelet may. */
const before = (name: string, action: () => void): FileSystem => ({
  ...systemFiles,
  readFile(path) {
    if (path.endsWith(name)) action()
    return systemFiles.readFile(path)
  },
})

const generation = (number: number) => ({
  ...KEY,
  clientid: `client ${number}`,
  clientsecret: `secret ${number}`,
})
const GENERATION_2 = {
  ok: true,
  key: { clientId: 'client 2', authentication: { clientSecret: 'secret 2' } },
  warnings: [],
}

t.test('a volume that changes while it is read is read again: never half of each', async (t) => {
  const root = newRoot(t)
  const volume = createKubeletVolume(join(root, 'intas'), generation(1))
  let changes = 0
  const files = before('clientsecret', () => {
    changes += 1
    if (changes === 1) volume.write(generation(2))
  })
  t.match(at(root, files), GENERATION_2)
})

t.test('nor is one that has been swapped but not cleaned yet', async (t) => {
  const root = newRoot(t)
  const volume = createKubeletVolume(join(root, 'intas'), generation(1))
  const next = volume.prepare(generation(2))
  t.match(at(root), { key: { clientId: 'client 1' } }, 'what is only prepared is not seen')
  let published = false
  const files = before('clientsecret', () => {
    if (!published) next.publish()
    published = true
  })
  t.match(at(root, files), GENERATION_2)
  next.clean()
  t.match(at(root), GENERATION_2)
})

t.test('a file removed from an old generation does not go missing from the key', async (t) => {
  const root = newRoot(t)
  const volume = createKubeletVolume(join(root, 'intas'), generation(1))
  let listed = false
  const files: FileSystem = {
    ...systemFiles,
    readDirectory(path) {
      const names = systemFiles.readDirectory(path)
      if (listed || !path.includes('..')) return names
      listed = true
      volume.write(generation(2))
      return names.filter((name) => name !== 'clientsecret')
    },
  }
  t.match(at(root, files), GENERATION_2)
})

t.test('a generation that is gone before it is read is no fault', async (t) => {
  const root = newRoot(t)
  const volume = createKubeletVolume(join(root, 'intas'), generation(1))
  let gone = false
  const files: FileSystem = {
    ...systemFiles,
    readDirectory(path) {
      if (!gone && path.includes('..')) {
        gone = true
        volume.write(generation(2))
      }
      return systemFiles.readDirectory(path)
    },
  }
  t.match(at(root, files), GENERATION_2)
})

t.test('the very first generation is not seen before it is published', async (t) => {
  const root = newRoot(t)
  const folder = join(root, 'intas', '..2026_11_23_18_22_27.123')
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'key.json'), JSON.stringify(KEY))
  t.match(at(root), {
    reason: 'unbound',
    problems: [/no match among "intas" \(no type or label\)/],
  })
})

t.test('a directory among files of a binding without a type was meant to be a file', async (t) => {
  const root = newRoot(t)
  const { clientsecret: _, type: _type, ...rest } = KEY
  createKubeletVolume(join(root, 'intas'), rest)
  mkdirSync(join(root, 'intas', '..data', 'clientsecret'))
  t.strictSame(told(root, at(root)), [`${SECRET} is a directory, not a file`, MISSING])
})

t.test('a volume that never rests is given up after three tries', async (t) => {
  const root = newRoot(t)
  const volume = createKubeletVolume(join(root, 'intas'), generation(0))
  let count = 0
  const files = before('clientsecret', () => {
    count += 1
    volume.write(generation(count))
  })
  t.match(told(root, at(root, files)), [/"intas": changes faster than it can be read$/])
  t.equal(count, 3)
})

t.test('an error of a folder that has not changed is told at once', async (t) => {
  const root = newRoot(t)
  createKubeletVolume(join(root, 'intas'), KEY)
  let tries = 0
  const files: FileSystem = {
    ...systemFiles,
    readDirectory(path) {
      if (!path.includes('..')) return systemFiles.readDirectory(path)
      tries += 1
      throw Object.assign(new Error('canary'), { code: 'EIO' })
    },
  }
  t.strictSame(told(root, at(root, files)), [
    'SERVICE_BINDING_ROOT /root, binding "intas": cannot be read (EIO)',
  ])
  t.equal(tries, 1)
})

const watched = (file: string) => {
  const found = at('', systemFiles, file)
  return found.ok ? found.watch : undefined
}

t.test('a key file in a volume is watched where the volume changes', async (t) => {
  const root = newRoot(t)
  const key = JSON.stringify(KEY)
  const { path } = createKubeletVolume(join(root, 'volume'), { 'a/key.json': key, 'key.json': key })
  symlinkSync(join(path, 'key.json'), join(root, 'link.json'))
  const file = 'key.json'
  t.strictSame(watched(join(path, file)), [{ directory: path, file }])
  t.strictSame(watched(join(path, 'a', file)), [{ directory: path, file }])
  t.strictSame(watched(join(root, 'link.json')), [
    { directory: root, file: 'link.json' },
    { directory: path, file },
  ])
})

t.test('SKP_KEY_FILE may name no folder of too much, and no empty one', async (t) => {
  const root = newRoot(t)
  t.match(at('', systemFiles, root), { reason: 'unbound', problems: [/\(no bindings\)/] })
  for (let count = 0; count <= 100; count += 1) writeFileSync(join(root, `${count}`), '')
  t.match(at('', systemFiles, root), {
    reason: 'invalid',
    problems: [/has more entries than a binding has/],
  })
})
