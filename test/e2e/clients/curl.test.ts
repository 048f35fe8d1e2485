/** What curl does beyond requests and answers: ranges, compression, 100-continue, HTTP/1.0. */
import t from 'tap'
import { createHash, randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { buffer } from 'node:stream/consumers'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { startProgram } from '../../fixtures/program.ts'
import { startTokenServer } from '../../fixtures/proxy.ts'
import { startServer } from '../../fixtures/recording-server.ts'
import { outputOf } from './client-process.ts'

const FILE = randomBytes(100_000)
const UPLOAD = randomBytes(3 * 1024 * 1024)
const digest = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')

const version = outputOf('curl', '--version')?.split(' ').slice(0, 2).join(' ')
const title = version ?? 'curl is skipped: it is not here'

t.test(title, { skip: version === undefined }, async (t) => {
  const api = await startServer(t, ({ url, headers }, response) => {
    if (url.endsWith('/file')) {
      const [, from = '0', to] = /^bytes=(\d*)-(\d*)$/.exec(String(headers['range'])) ?? []
      const piece = FILE.subarray(Number(from), to ? Number(to) + 1 : undefined)
      const range = `bytes ${from}-${Number(from) + piece.length - 1}/${FILE.length}`
      const type = { 'content-type': 'application/octet-stream' }
      response.writeHead(headers['range'] ? 206 : 200, { ...type, 'content-range': range })
      return response.end(piece)
    }
    const json = JSON.stringify({ d: { uri: `${api.url}/v1/Vendor('1')` } })
    const isAsked = String(headers['accept-encoding']).includes('gzip')
    response.setHeader('content-type', 'application/json')
    if (isAsked) response.setHeader('content-encoding', 'gzip')
    return response.end(isAsked ? gzipSync(json) : json)
  })
  const { url: tokens } = await startTokenServer(t)
  const folder = t.testdir({ upload: '' })
  const key = { entities: `${api.url}/v1`, url: tokens, clientid: 'sb-x!b1', clientsecret: 's' }
  writeFileSync(join(folder, 'key.json'), JSON.stringify(key))
  writeFileSync(join(folder, 'upload'), UPLOAD)
  const { logged } = startProgram(t, ['--key-file', join(folder, 'key.json')], { PORT: '0' })
  const url = `http://127.0.0.1:${new URL(String((await logged('listening'))['address'])).port}`

  const curl = async (...args: string[]) => {
    const child = spawn('curl', ['-sSv', ...args], { cwd: folder })
    const [body, talk] = await Promise.all([
      buffer(child.stdout),
      buffer(child.stderr),
      child.exitCode ?? once(child, 'exit'),
    ])
    t.equal(child.exitCode, 0, talk.toString())
    return { body, talk: talk.toString() }
  }

  await t.test('downloads a range, and the rest of a file', async (t) => {
    const piece = await curl('-r', '100-199', `${url}/file`)
    t.match(piece.talk, /< HTTP\/1\.1 206/)
    t.equal(digest(piece.body), digest(FILE.subarray(100, 200)))
    const rest = await curl('-C', '60000', `${url}/file`)
    t.equal(digest(rest.body), digest(FILE.subarray(60_000)))
  })
  await t.test('reads compressed answers, links replaced', async (t) => {
    const { body } = await curl('--compressed', `${url}/Vendor`)
    t.equal(body.toString(), `{"d":{"uri":"${url}/Vendor('1')"}}`)
  })
  await t.test('uploads 3 MB after 100 Continue', async (t) => {
    for (const upload of [['-T'], ['-X', 'PUT', '-H', 'Transfer-Encoding: chunked', '-T']]) {
      const { talk } = await curl(
        '-H',
        'Expect: 100-continue',
        ...upload,
        'upload',
        `${url}/Vendor`,
      )
      t.match(talk, /< HTTP\/1\.1 100 Continue[^]*< HTTP\/1\.1 200/)
      t.equal(digest(api.requests.at(-1)?.body ?? Buffer.of()), digest(UPLOAD))
      t.equal(api.requests.at(-1)?.headers['expect'], undefined)
    }
  })
  await t.test('speaks HTTP/1.0, with and without keep-alive', async (t) => {
    for (const connection of ['close', 'keep-alive']) {
      const { body, talk } = await curl('-0', '-H', `Connection: ${connection}`, `${url}/Vendor`)
      t.equal(body.toString(), `{"d":{"uri":"${url}/Vendor('1')"}}`)
      t.notMatch(talk, /transfer-encoding/i)
    }
  })
  await t.test('asks for the head alone', async (t) => {
    t.match((await curl('-I', `${url}/file`)).talk, /< HTTP\/1\.1 200/)
    t.equal(api.requests.at(-1)?.method, 'HEAD')
  })
})
