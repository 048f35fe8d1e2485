import { execFileSync, fork } from 'node:child_process'
import { createHash } from 'node:crypto'
import type { DetailedPeerCertificate } from 'node:tls'
import { fileURLToPath } from 'node:url'
import { stripVTControlCharacters } from 'node:util'
import t from 'tap'
import { createCertificateAuthority } from '../../../demo/certificate-authority.ts'
import { systemClock } from '../../../src/clock.ts'
import { chainOf } from '../../../src/commands/check/advice.ts'
import { check, endApart } from '../../../src/commands/check/check.ts'
import { claimsOf } from '../../../src/commands/check/token.ts'
import { systemFiles } from '../../../src/commands/process.ts'
import { KEYS, LAYOUTS } from '../../fixtures/binding-layouts.ts'
import { createProcess } from '../../fixtures/process.ts'
import { PROGRAMS, startProgram } from '../../fixtures/program.ts'

const SECRET = 'canary-f1e2-$Qz+/='
const KEY = {
  entities: 'https://api.example/intas/entities/v1',
  management: 'https://api.example/intas/management/v1',
  clientid: 'sb-0d3c!b1|intas!b2',
  clientsecret: SECRET,
  url: 'https://acme.example',
}
const HASH = createHash('sha256').update(SECRET).digest('hex').slice(0, 8)

type Environment = Readonly<Record<string, string>>

/** No step after the key finds anything here; check-online.test.ts has those. */
const noNetwork = () => Promise.reject(Object.assign(new Error('none'), { code: 'ENOTFOUND' }))
const { signal: deadline } = new AbortController()

const keyFile = (key: object) => ({ 'key.json': JSON.stringify(key) })

const run = async (
  environment: Environment,
  { json = false, isTTY = false, files = keyFile(KEY), isOnDisk = false } = {},
) => {
  const { process, stdout, stderr } = createProcess(environment, files)
  Object.assign(process.stdout, { isTTY })
  const scene = isOnDisk ? { ...process, files: systemFiles } : process
  const code = await check(scene, {}, json, { lookup: noNetwork, deadline })
  t.equal(stderr(), '')
  return { code, output: stdout() }
}

const SET = { SKP_KEY_FILE: 'key.json' }

interface Step {
  readonly step: string
  readonly route?: string
  readonly ok: boolean
}
const steps = (output: string) =>
  (JSON.parse(output) as { steps: readonly Step[] }).steps.map(
    ({ step, route = '', ok }) => `${step}${route} ${ok ? 'ok' : 'failed'}`,
  )

t.test('on a terminal the words that matter have a colour, and nothing moves', async (t) => {
  const environment = { ...SET, SKP_TYPO: '1' }
  const plain = await run(environment)
  const { output } = await run(environment, { isTTY: true })
  t.match(output, '\u001B[33mok      \u001B[39msettings: ', 'with a warning')
  t.match(output, '        \u001B[33mwarning:\u001B[39m SKP_TYPO')
  t.match(output, '\u001B[32mok      \u001B[39mbinding: ')
  t.match(output, '\u001B[31mFAILED  \u001B[39mconnection /: ')
  t.match(output, '        \u001B[31mproblem:\u001B[39m token server')
  t.equal(stripVTControlCharacters(output), plain.output)
  t.equal((await run({ ...environment, NO_COLOR: '1' }, { isTTY: true })).output, plain.output)
  const json = await run(environment, { isTTY: true, json: true })
  t.notMatch(json.output, '\u001B')
})

t.test('a usable key: its fields can be compared, and the way to its hosts is tried', async (t) => {
  const { code, output } = await run(SET)
  t.equal(code, 11)
  t.equal(
    output.slice(0, output.indexOf('FAILED')),
    `ok      settings: nothing is wrong with them
ok      binding: SKP_KEY_FILE key.json, because it is the only key there
          SKP_KEY_FILE key.json  chosen: a key
ok      key /: leads to https://api.example/intas/entities/v1 with tokens from https://acme.example/oauth/token
          entities      https://api.example/intas/entities/v1
          management    https://api.example/intas/management/v1
          clientid      sb-0d3c!b1|intas!b2
          clientsecret  (not shown: 18 characters, SHA-256 begins ${HASH})
          url           https://acme.example
`,
  )
})

t.test('the same as one JSON document', async (t) => {
  const { code, output } = await run({ ...SET, SKP_TYPO: '1' }, { json: true })
  t.equal(code, 11)
  t.match(JSON.parse(output), {
    ok: false,
    exitCode: 11,
    steps: [
      { step: 'settings', ok: true, warnings: [/SKP_TYPO is not a setting/] },
      {
        step: 'binding',
        ok: true,
        origin: 'SKP_KEY_FILE key.json',
        reason: 'it is the only key there',
        attempts: [{ place: 'SKP_KEY_FILE key.json', verdict: 'chosen' }],
        watch: [{ file: 'key.json' }],
      },
      {
        step: 'key',
        route: '/',
        ok: true,
        baseUrl: KEY.entities,
        tokenEndpoint: 'https://acme.example/oauth/token',
        authentication: 'client_secret_post',
        fields: [{}, {}, {}, { name: 'clientsecret', length: 18, sha256: HASH }, {}],
      },
      { step: 'connection', route: '/', ok: false },
    ],
  })
})

const vcap = (...names: readonly string[]) =>
  JSON.stringify({
    'integration-assessment': names.map((name) => ({ name, credentials: KEY })),
    hana: [{ name: 'db', credentials: { password: SECRET } }],
  })

t.test('every place looked at is told, with what is there and why one was chosen', async (t) => {
  const { output } = await run({ VCAP_SERVICES: vcap('intas') })
  t.match(
    output,
    `ok      binding: VCAP_SERVICES, binding "intas", because its type, label or a tag is SKP_SERVICE
          VCAP_SERVICES_FILE_PATH  absent
          VCAP_SERVICES            chosen: "intas" (integration-assessment), "db" (hana)
`,
  )
})

type Case = readonly [
  title: string,
  environment: Environment,
  code: number,
  steps: readonly string[],
  output: RegExp,
]

const FAILURES: readonly Case[] = [
  [
    'no binding',
    { VCAP_SERVICES: vcap() },
    3,
    ['settings ok', 'binding failed'],
    /problem: no binding of SKP_SERVICE="integration-assessment" found\n$/,
  ],
  [
    'several bindings',
    { VCAP_SERVICES: vcap('one', 'two') },
    3,
    ['settings ok', 'binding failed'],
    /VCAP_SERVICES +ambiguous: .*\n +problem: VCAP_SERVICES: several bindings match \("one", "two"\)/,
  ],
  [
    'a key of another name',
    { ...SET, SKP_BINDING: 'dev' },
    3,
    ['settings ok', 'binding failed'],
    /SKP_KEY_FILE key\.json {2}the one key there has no name, and "dev" is asked for/,
  ],
  [
    'a broken place',
    { VCAP_SERVICES: `{"clientsecret":"${SECRET}"` },
    10,
    ['settings ok', 'binding failed'],
    /VCAP_SERVICES +is not a JSON object/,
  ],
  [
    'a key file that is not there',
    { SKP_KEY_FILE: 'gone.json' },
    10,
    ['settings ok', 'binding failed'],
    /SKP_KEY_FILE gone\.json {2}cannot be read \(ENOENT\)/,
  ],
  [
    'a key without the target',
    { ...SET, SKP_TARGET: 'endpoints.api' },
    10,
    ['settings ok', 'binding ok', 'key/ failed'],
    /FAILED {2}key \/: the key of SKP_KEY_FILE key\.json cannot be used[^]*problem: field "endpoints\.api" is missing/,
  ],
  [
    'settings that are wrong, with the key checked all the same',
    { ...SET, SKP_PORT: 'x' },
    2,
    ['settings failed', 'binding ok', 'key/ ok'],
    /FAILED {2}settings: the proxy would not start\n +problem: SKP_PORT: expected/,
  ],
  [
    'authorities that cannot be read',
    { ...SET, SKP_CA_FILE: 'none.pem' },
    2,
    ['settings failed', 'binding ok', 'key/ ok'],
    /problem: SKP_CA_FILE: must be the path/,
  ],
  [
    'one of several routes',
    { ...SET, SKP_MOUNTS: '/=entities,/m=management,/x=none' },
    10,
    [
      'settings ok',
      'binding ok',
      'key/ ok',
      'connection/ failed',
      'key/m ok',
      'connection/m failed',
      'key/x failed',
    ],
    /ok +key \/m: leads to https:\/\/api\.example\/intas\/management\/v1/,
  ],
  [
    'a route whose binding is missing',
    { VCAP_SERVICES: vcap('one', 'two'), SKP_MOUNTS: '/a=one:entities,/b=three:entities' },
    3,
    ['settings ok', 'binding ok', 'key/a ok', 'connection/a failed', 'binding failed'],
    /problem: no binding named "three" \(SKP_BINDING or SKP_MOUNTS\) found/,
  ],
]

for (const [title, environment, code, expected, pattern] of FAILURES) {
  t.test(`${title}: exit code ${code}`, async (t) => {
    const text = await run(environment)
    t.equal(text.code, code)
    t.match(text.output, pattern)
    const json = await run(environment, { json: true })
    t.strictSame(steps(json.output), expected)
    t.match(JSON.parse(json.output), { ok: false, exitCode: code })
    t.notMatch(text.output + json.output, 'canary')
  })
}

/** Every run of so many characters of the secrets, and their usual encodings. */
const fragmentsOf = (secrets: readonly string[]): readonly string[] =>
  secrets
    .flatMap((secret) => [
      secret,
      encodeURIComponent(secret),
      Buffer.from(secret).toString('base64'),
      Buffer.from(secret).toString('hex'),
      // The first 8 digits of the hash are meant to be there.
      createHash('sha256').update(secret).digest('hex').slice(1),
    ])
    .flatMap((text) =>
      Array.from({ length: text.length - 7 }, (_, index) => text.slice(index, index + 8)),
    )
    .filter((fragment) => !/PRIVATE|CERTIFIC/.test(fragment))

const leaks = (output: string, secrets: readonly string[]) =>
  fragmentsOf(secrets).filter((fragment) => output.includes(fragment))

for (const [title, write] of Object.entries(LAYOUTS)) {
  t.test(`${title}: no piece of the secret is printed`, async (t) => {
    for (const [form, key] of Object.entries(KEYS)) {
      const root = t.testdir({ [form]: {} })
      write(`${root}/${form}`, key)
      for (const json of [false, true]) {
        for (const SKP_TARGET of ['entities', 'clientsecret', 'uaa', 'uaa.clientsecret']) {
          const SERVICE_BINDING_ROOT = `${root}/${form}`
          const environment = { SERVICE_BINDING_ROOT, SKP_TARGET, SKP_BINDING: 'intas' }
          const { output } = await run(environment, { json, isOnDisk: true })
          t.match(output, HASH)
          t.strictSame(leaks(output, [SECRET]), [])
        }
      }
    }
  })
}

t.test('what a key has where it should not is not shown either', async (t) => {
  const odd = {
    ...KEY,
    url: `https://user:${SECRET}@acme.example`,
    management: `https://api.example/?token=${SECRET}`,
    uaadomain: `${SECRET} in the wrong field`,
    [`${SECRET} as a name`]: 1,
    list: [SECRET],
    deep: { a: { b: { c: SECRET } } },
    nothing: null,
    password: 'canary-f1e2-of-plain-letters',
  }
  const { code, output } = await run(SET, { files: keyFile(odd) })
  t.equal(code, 10)
  t.strictSame(leaks(output, [SECRET]), [])
  t.notMatch(output, 'canary')
  t.match(output, /nothing +null/)
  t.match(output, /deep\.a\.b +\(not shown/)
  t.match(output, /\(a name that is not repeated here\)/)
})

t.test('credentials that are no object have no fields', async (t) => {
  const { code, output } = await run(SET, { files: keyFile({ credentials: SECRET }) })
  t.equal(code, 10)
  t.match(output, /problem: the credentials are not a JSON object/)
  t.strictSame(leaks(output, [SECRET]), [])
})

t.test('a key of thousands of fields is told in part', async (t) => {
  const many = Object.fromEntries(Array.from({ length: 5000 }, (_, index) => [`f${index}`, '']))
  const { output } = await run(SET, { files: keyFile({ ...KEY, ...many }) })
  t.equal(output.split('\n').length, 110)
})

const DAY = 24 * 60 * 60 * 1000
const inDays = (days: number) => new Date(Date.now() + days * DAY)

const VALIDITY: Record<
  string,
  [from: number, to: number, code: number, output: RegExp | undefined]
> = {
  'is fine': [-1, 6, 11, undefined],
  'ends soon': [-6, 1, 11, /the client certificate expires on .*, in 23 hours/],
  'has ended': [-6, -1, 10, /the client certificate expired on/],
  'has not begun': [1, 6, 10, /the client certificate is not valid before/],
}

for (const [title, [from, to, code, pattern]] of Object.entries(VALIDITY)) {
  t.test(`an X.509 key whose certificate ${title}: exit code ${code}`, async (t) => {
    const authority = await createCertificateAuthority()
    const validity = { notBefore: inDays(from), notAfter: inDays(to) }
    const { certificate, key } = await authority.issueClient('sb-client!b1', validity)
    const { clientsecret: _, ...rest } = KEY
    const x509 = { ...rest, 'credential-type': 'x509', certurl: KEY.url, certificate, key }
    for (const json of [false, true]) {
      const result = await run(SET, { json, files: keyFile(x509) })
      t.equal(result.code, code)
      t.match(result.output, pattern ?? /key/)
      t.equal(/the client certificate/.test(result.output), pattern !== undefined)
      t.strictSame(leaks(result.output, [key]), [])
      t.notMatch(result.output, /PRIVATE KEY/)
    }
  })
}

t.test('a token that only looks like a JWT has no claims', async (t) => {
  for (const token of ['a', 'a.b', 'a.b.c', `a.${Buffer.from('[]').toString('base64url')}.c`]) {
    t.equal(claimsOf(token), undefined, token)
  }
})

const link = (index: number, subject: object, issuerCertificate?: object) =>
  ({
    subject,
    issuer: { O: 'org' },
    valid_to: 'Jan  1 00:00:00 2030 GMT',
    fingerprint256: String(index),
    issuerCertificate,
  }) as unknown as DetailedPeerCertificate

t.test('a chain ends at its root, or when it is too long', async (t) => {
  t.match(chainOf(link(1, {}), 0), [{ subject: 'no name', issuer: 'org' }])
  t.strictSame(chainOf({} as DetailedPeerCertificate, 0), [])
  const long = Array.from({ length: 20 }).reduce<DetailedPeerCertificate | undefined>(
    (last, _item, index) => link(index, { CN: `n${index}`.repeat(100) }, last),
    undefined,
  ) as DetailedPeerCertificate
  t.equal(chainOf(long, 0).length, 10)
  t.equal(chainOf(long, 0)[0]?.subject.length, 201)
})

const preload = fileURLToPath(new URL('../../fixtures/hanging-resolver.mjs', import.meta.url))

t.test('check ends while the resolver of the system hangs: exit code 11', async (t) => {
  const dir = t.testdir(keyFile(KEY))
  execFileSync('mkfifo', [`${dir}/pipe`])
  const environment = { SKP_KEY_FILE: `${dir}/key.json`, PIPE: `${dir}/pipe` }
  const program = ['--import', preload, ...PROGRAMS.built]
  const { ended, stdout, stderr } = startProgram(t, ['check', '--json'], environment, program)
  t.equal(await ended, 11, stderr())
  const { exitCode, steps } = JSON.parse(stdout()) as { exitCode: number; steps: object[] }
  t.equal(exitCode, 11)
  const problem = /cannot be resolved \(no answer in time\)/
  t.match(steps.at(-1), { step: 'connection', problems: [problem, problem] })
})

const ENDS: readonly (readonly [name: string, script: string, code: number])[] = [
  ['has told its code and hangs', 'process.send(14); setInterval(() => {}, 1000)', 14],
  ['has told its code and ends', 'process.exitCode = 12; process.send(12)', 12],
  ['ends without a word', 'process.exit(3)', 3],
  ['is ended from outside', "process.kill(process.pid, 'SIGKILL')", 137],
]

for (const [name, script, code] of ENDS) {
  t.test(`a command that ${name} gives ${code}`, async (t) => {
    const dir = t.testdir({ 'child.mjs': script })
    const child = fork(`${dir}/child.mjs`, { execArgv: [], env: {} })
    t.equal(await endApart(child, systemClock), code)
    t.not(child.exitCode ?? child.signalCode, null, 'and is gone')
  })
}
