/** What may lie where a key file should be: refused at once, without a wait, at the start and later. */
import t, { type Test } from 'tap'
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { check } from '../../src/commands/check/check.ts'
import { systemFiles } from '../../src/commands/process.ts'
import { loadAuthorities } from '../../src/outbound/certificates.ts'
import { MAX_FILE_BYTES } from '../../src/service-key/file-system.ts'
import { keySources } from '../../src/service-key/key-source.ts'
import { call } from '../fixtures/http-client.ts'
import { locateKey, locateOptions } from '../fixtures/locate-key.ts'
import { createProcess } from '../fixtures/process.ts'
import { CLIENT_SECRET, startProxy, startTokenServer } from '../fixtures/proxy.ts'
import { startServer } from '../fixtures/recording-server.ts'

const KEY = {
  entities: 'https://api.example/v1',
  url: 'https://acme.example',
  clientid: 'client',
  clientsecret: CLIENT_SECRET,
}

/** By a link, because the path of a socket has few characters. */
const linkToSocket = async (t: Test, path: string): Promise<void> => {
  const folder = mkdtempSync(join(tmpdir(), 'socket-'))
  const server = net.createServer().listen(join(folder, 's'))
  t.teardown(() => {
    server.close()
    rmSync(folder, { recursive: true })
  })
  await once(server, 'listening')
  symlinkSync(join(folder, 's'), path)
}

/** A field of a key, so deep that looking for what is in it by recursion ends the process. */
const DEEP = `${JSON.stringify(KEY).slice(0, -1)},"deep":${'['.repeat(200_000)}${']'.repeat(200_000)}}`

type Put = (t: Test, path: string) => unknown

const ODD: Readonly<Record<string, readonly [put: Put, problem: RegExp]>> = {
  'a pipe that nobody writes to': [
    (_t, path) => execFileSync('mkfifo', [path]),
    /is no regular file/,
  ],
  'an endless device': [(_t, path) => symlinkSync('/dev/zero', path), /is no regular file/],
  'an empty device': [(_t, path) => symlinkSync('/dev/null', path), /is no regular file/],
  'a socket': [linkToSocket, /is no regular file/],
  'a file that is too large': [
    (_t, path) => writeFileSync(path, ' '.repeat(MAX_FILE_BYTES + 1)),
    /is larger than 1 MB/,
  ],
  'a key that is too deep': [
    (_t, path) => writeFileSync(path, DEEP),
    /is nested more than 32 deep/,
  ],
  'UTF-16 that does not say so': [
    (_t, path) => writeFileSync(path, JSON.stringify(KEY), 'utf16le'),
    /is not UTF-8 text/,
  ],
}

const VARIABLES = ['SKP_KEY_FILE', 'VCAP_SERVICES_FILE_PATH'] as const

const locateAt = (variable: (typeof VARIABLES)[number], path: string) =>
  locateKey(
    locateOptions({
      files: systemFiles,
      ...(variable === 'SKP_KEY_FILE' ? { keyFile: path } : { environment: { [variable]: path } }),
    }),
  )

const { signal: deadline } = new AbortController()
const lookup = () => Promise.reject(new Error('none'))

for (const [title, [put, problem]] of Object.entries(ODD)) {
  t.test(`${title} is refused at the start, and by check`, async (t) => {
    const path = join(t.testdir(), 'key')
    await put(t, path)
    for (const variable of VARIABLES) {
      const found = locateAt(variable, path)
      t.match(found, { reason: 'invalid', problems: [problem] }, variable)
      t.notMatch(JSON.stringify(found), CLIENT_SECRET)
      const { process, stdout } = createProcess({ [variable]: path }, {})
      const scene = { ...process, files: systemFiles }
      t.equal(await check(scene, {}, false, { lookup, deadline }), 10, variable)
      t.match(stdout(), problem)
    }
    const authorities = loadAuthorities({
      caFile: path,
      environment: { NODE_EXTRA_CA_CERTS: path },
      readFile: systemFiles.readFile,
    })
    t.match(authorities.problems, [/^SKP_CA_FILE: /])
  })
}

t.test('a directory is no file', async (t) => {
  const found = locateAt('VCAP_SERVICES_FILE_PATH', t.testdir())
  t.match(found, { reason: 'invalid', problems: [/is a directory, not a file/] })
})

t.test('VCAP_SERVICES that is too deep is refused, and by check', async (t) => {
  const environment = { VCAP_SERVICES: DEEP.slice(0, 100_000) }
  const { process, stdout } = createProcess(environment, {})
  t.equal(await check(process, {}, false, { lookup, deadline }), 10)
  t.match(stdout(), /VCAP_SERVICES +is nested more than 32 deep/)
})

t.test('a running proxy goes on with the key it has', async (t) => {
  const path = join(t.testdir(), 'key')
  const api = await startServer(t, (_request, response) => response.end('{}'))
  const tokens = await startTokenServer(t)
  writeFileSync(path, JSON.stringify({ ...KEY, entities: api.url, url: tokens.url }))
  const routes = [{ prefix: '', binding: undefined, target: 'entities' }]
  const sources = keySources(routes, locateOptions({ files: systemFiles, keyFile: path }))
  const { port, app, log } = await startProxy(t, { sources })
  for (const [title, [put, problem]] of Object.entries(ODD)) {
    await put(t, `${path}.new`)
    renameSync(`${path}.new`, path)
    app.reload()
    t.match(await call(port), { status: 200 }, title)
    t.match(log.findLast(({ reason }) => reason !== undefined)?.['reason'], problem, title)
  }
  rmSync(path)
  mkdirSync(path)
  app.reload()
  t.match(await call(port), { status: 200 }, 'a directory')
})

t.test('a key that PowerShell wrote by > is read', async (t) => {
  const path = join(t.testdir(), 'key')
  const text = `\uFEFFGetting key …\r\n\r\n${JSON.stringify({ credentials: KEY })}\r\n`
  const littleEndian = Buffer.from(text, 'utf16le')
  for (const bytes of [littleEndian, Buffer.from(littleEndian).swap16(), Buffer.from(text)]) {
    writeFileSync(path, bytes)
    t.match(locateAt('SKP_KEY_FILE', path), { ok: true, key: { clientId: 'client' } })
  }
})
