/** Content codings that are not what they say, on the wire: large bodies go out as they came, or not at all. */
import t from 'tap'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import http, { type IncomingMessage } from 'node:http'
import { buffer } from 'node:stream/consumers'
import zlib from 'node:zlib'
import { call } from '../fixtures/http-client.ts'
import { startProxy } from '../fixtures/proxy.ts'
import { startRawServer, startStreamingServer } from '../fixtures/recording-server.ts'
import { JSON_TYPE, startTranslation as start } from '../fixtures/translation.ts'

/** Larger than what is held whole, compressed as well. */
const documentOf = (base: string): string =>
  JSON.stringify({
    noise: randomText,
    results: Array.from({ length: 1_000 }, (_, i) => ({ uri: `${base}/Vendor('${i}')` })),
  })

const randomText = randomBytes(100_000).toString('base64')

/** Codings that the API names, and bodies of which that is not true, whatever their size. */
const LIES: Record<string, (base: string) => Buffer> = {
  gzip: (base) => Buffer.from(documentOf(base)),
  br: (base) => Buffer.from(documentOf(base)),
  // Of the first two, the first half byte is that of zlib; the others look like deflate without a head.
  deflate: (base) => Buffer.from(`(${documentOf(base)}`),
  Deflate: (base) => Buffer.from(`x${documentOf(base)}`),
  'deflate ': (base) => Buffer.from(documentOf(base)),
  DEFLATE: (base) => Buffer.from(`[${documentOf(base)}]`),
  constructor: (base: string) => Buffer.from(documentOf(base)),
  ['__proto__']: (base: string) => Buffer.from(documentOf(base)),
  // It begins well, and breaks off before the first byte can come out.
  'x-gzip': () => Buffer.concat([zlib.gzipSync('{}').subarray(0, 10), Buffer.alloc(200_000, 255)]),
}

for (const [coding, lie] of Object.entries(LIES)) {
  t.test(`a body of which ${coding} is not true goes out as it came`, async (t) => {
    const headers = { ...JSON_TYPE, 'content-encoding': coding, 'content-md5': 'x' }
    const { api, base, get } = await start(t, (base) => ({
      headers,
      body: lie(base),
      sized: api.requests.at(-1)?.url.endsWith('/sized') === true,
    }))
    for (const path of ['/sized', '/chunked']) {
      const answer = await get({ path })
      t.equal(answer.status, 200)
      t.ok(answer.body.equals(lie(base)), path)
      t.match(answer.headers, { ...headers, 'content-encoding': coding.trim() })
    }
  })
}

/** Head of gzip with the name of a file behind it (RFC 1952 §2.3.1). */
const NAMED = Buffer.from([0x1f, 0x8b, 8, 8, 0, 0, 0, 0, 0, 3])

/** What has a beginning that stays silent. */
const SILENT: Record<string, Buffer> = {
  'a name without an end': Buffer.concat([NAMED, Buffer.alloc(2_000_000, 'n')]),
  'a name that is cut': Buffer.concat([NAMED, Buffer.alloc(100_000, 'n')]),
  'nothing, again and again': Buffer.concat(Array(100_000).fill(zlib.gzipSync(''))),
}

for (const [what, body] of Object.entries(SILENT)) {
  t.test(`a body that begins with ${what} is not kept, but goes out as it came`, async (t) => {
    const headers = { ...JSON_TYPE, 'content-encoding': 'gzip' }
    const { get } = await start(t, () => ({ headers, body }))
    const answer = await get()
    t.ok(answer.body.equals(body))
    t.match(answer.headers, { ...headers, 'content-length': String(body.length) })
  })
}

t.test('the head waits until something can be decoded, however the body is cut', async (t) => {
  const document = Buffer.from(documentOf('https://example.com'))
  const body = zlib.gzipSync(document)
  const pieces = [1, 9, 10, 11, 12, 20].map((at, i, all) => body.subarray(all[i - 1] ?? 0, at))
  const api = await startStreamingServer(t, (_request, response) => {
    response.writeHead(200, {
      ...JSON_TYPE,
      'content-encoding': 'gzip',
      'content-length': body.length,
    })
    const [piece] = pieces
    if (piece === undefined) return
    const next = (): void => {
      const part = pieces.shift()
      if (part === undefined) response.end(body.subarray(20))
      else response.write(part, () => setImmediate(next))
    }
    next()
  })
  const { port } = await startProxy(t, { api: api.url })
  const answer = await call(port)
  t.equal(answer.headers['content-encoding'], undefined)
  t.ok(answer.body.equals(document))
})

t.test('an API that breaks off before anything can be decoded becomes a code', async (t) => {
  const api = await startRawServer(t, (socket) => {
    socket.once('data', () => {
      const head =
        'content-type: application/json\r\ncontent-encoding: gzip\r\ncontent-length: 90000'
      socket.end(`HTTP/1.1 200 OK\r\n${head}\r\n\r\n\x1f`)
    })
  })
  const { port } = await startProxy(t, { api: api.url })
  t.match(await call(port), { status: 502, headers: { 'x-error-code': 'upstream_reset' } })
})

t.test('padding behind a compressed body is read to its end', async (t) => {
  const { api, get, proxy } = await start(t, (base) => ({
    headers: { ...JSON_TYPE, 'content-encoding': 'gzip' },
    body: Buffer.concat([zlib.gzipSync(documentOf(base)), Buffer.alloc(9_000_000)]),
  }))
  for (let i = 0; i < 2; i += 1) {
    t.ok((await get()).body.equals(Buffer.from(documentOf(proxy))))
  }
  // That to the API comes free, and serves again.
  t.equal(api.connections(), 1)
})

t.test('a caller sees the head of what cannot be decoded before the API ends it', async (t) => {
  for (const coding of ['gzip', 'deflate']) {
    for (const length of [100_000, 600_000]) {
      let finish: (() => void) | undefined
      const body = Buffer.alloc(length, '[{"a":"text"},')
      const api = await startStreamingServer(t, (request, response) => {
        const fields = { ...JSON_TYPE, 'content-encoding': coding, 'content-length': length + 1 }
        response.writeHead(200, fields).write(body)
        finish = () => void (request.url === '/broken' ? response.destroy() : response.end(']'))
      })
      const { port } = await startProxy(t, { api: api.url })
      for (const path of ['/whole', '/broken']) {
        const request = http.get({ port, host: '127.0.0.1', path, agent: false })
        const [response] = (await once(request, 'response')) as [IncomingMessage]
        t.equal(response.headers['content-encoding'], coding)
        finish?.()
        const read = buffer(response)
        if (path === '/broken') await t.rejects(read, { code: 'ECONNRESET' })
        else t.equal((await read).toString(), `${body.toString()}]`)
      }
    }
  }
})

t.test('what breaks off together with its false coding becomes a code', async (t) => {
  const api = await startRawServer(t, (socket) => {
    socket.once('data', () => {
      const fields =
        'content-type: application/json\r\ncontent-encoding: deflate\r\ncontent-length: 90000'
      socket.end(`HTTP/1.1 200 OK\r\n${fields}\r\n\r\n[`)
    })
  })
  const { port } = await startProxy(t, { api: api.url })
  t.match(await call(port), { status: 502, headers: { 'x-error-code': 'upstream_reset' } })
})
