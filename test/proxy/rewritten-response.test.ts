/** Links in answers, on the wire: what callers get to see. */
import t, { type Test } from 'tap'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import http, { type IncomingMessage, type OutgoingHttpHeaders } from 'node:http'
import type { Socket } from 'node:net'
import zlib from 'node:zlib'
import { call } from '../fixtures/http-client.ts'
import { startProxy } from '../fixtures/proxy.ts'
import { startRawServer, startStreamingServer } from '../fixtures/recording-server.ts'
import {
  JSON_TYPE,
  PATH,
  startTranslation as start,
  type Answered,
} from '../fixtures/translation.ts'

/** Noise that does not become small by compressing it. */
const NOISE = randomBytes(100_000).toString('base64')

const documentOf = (base: string, entities = 1): string =>
  JSON.stringify({
    d: {
      noise: entities === 1 ? '' : NOISE,
      results: Array.from({ length: entities }, (_, i) => ({
        __metadata: { uri: `${base}/Vendor('${i}')` },
      })),
      __next: `${PATH}/Vendor?$skiptoken=20`,
    },
  })

const translated = (proxy: string, entities = 1): string =>
  documentOf(proxy, entities).replace(`"${PATH}/`, `"${proxy}/`)

t.test('a small answer has its links replaced and a right length', async (t) => {
  const { get, proxy } = await start(t, (base) => ({
    headers: { ...JSON_TYPE, etag: '"1"', 'content-md5': 'x', 'repr-digest': 'y', digest: 'z' },
    body: documentOf(base),
  }))
  const { headers, body } = await get()
  t.equal(body.toString(), translated(proxy))
  t.match(headers, { 'content-length': String(body.length), etag: '"1"' })
  for (const name of ['content-md5', 'repr-digest', 'digest']) t.notOk(name in headers, name)
})

t.test('an answer without a link of the API goes out as it came', async (t) => {
  const fields = { ...JSON_TYPE, 'content-md5': 'x', 'accept-ranges': 'bytes' }
  const document = documentOf('https://example.com').replace(PATH, '')
  const { get } = await start(t, () => ({ headers: fields, body: document }))
  const { headers, body } = await get()
  t.equal(body.toString(), document)
  t.match(headers, { ...fields, 'content-length': String(document.length) })
})

t.test('links in header fields are replaced, whatever the body is', async (t) => {
  const { get, proxy } = await start(t, (base) => ({
    status: 201,
    headers: {
      'content-type': 'text/plain',
      location: `${base.toUpperCase().replace(PATH.toUpperCase(), PATH)}/Vendor('1')`,
      'content-location': `${PATH}/Vendor('1')`,
      'odata-entityid': `${base}/Vendor('1')`,
      link: `<${base}/a>; rel="next", <https://example.com/>`,
      'x-other': `${base}/Vendor('1')`,
    },
    body: base,
  }))
  const { headers, body } = await get()
  t.match(headers, {
    location: `${proxy}/Vendor('1')`,
    'content-location': `${proxy}/Vendor('1')`,
    'odata-entityid': `${proxy}/Vendor('1')`,
    link: `<${proxy}/a>; rel="next", <https://example.com/>`,
  })
  t.not(headers['x-other'], `${proxy}/Vendor('1')`)
  t.notMatch(body.toString(), proxy)
})

const LARGE = 1_000

t.test('a small answer that comes in pieces is put together', async (t) => {
  const api = await startStreamingServer(t, (_request, response) => {
    const body = documentOf(`${api.url}${PATH}`)
    response.writeHead(200, { ...JSON_TYPE, 'content-length': body.length })
    response.write(body.slice(0, 50))
    setImmediate(() => response.end(body.slice(50)))
  })
  const { port } = await startProxy(t, { api: `${api.url}${PATH}` })
  t.equal((await call(port)).body.toString(), translated(`http://127.0.0.1:${port}`))
})

t.test('a large answer is streamed without a length', async (t) => {
  for (const sized of [true, false]) {
    const { get, proxy } = await start(t, (base) => ({ body: documentOf(base, LARGE), sized }))
    const { headers, body } = await get()
    t.ok(body.toString() === translated(proxy, LARGE))
    t.equal(headers['content-length'], undefined)
  }
})

const CODINGS: Record<string, (body: Buffer) => Buffer> = {
  gzip: zlib.gzipSync,
  'x-gzip': zlib.gzipSync,
  br: (body) =>
    zlib.brotliCompressSync(body, { params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 1 } }),
  deflate: zlib.deflateSync,
  Deflate: zlib.deflateRawSync,
}

for (const [coding, encode] of Object.entries(CODINGS)) {
  t.test(`a body in ${coding} is decoded only to replace links in it`, async (t) => {
    const headers = { ...JSON_TYPE, 'content-encoding': coding, vary: 'accept-encoding' }
    const foreign = encode(Buffer.from('{"uri":"https://example.com/"}'))
    const { api, base, port, proxy, get } = await start(t, (base) => {
      const path = api.requests.at(-1)?.url ?? ''
      const entities = path.includes('/large') ? LARGE : 1
      const body = path.endsWith('/foreign')
        ? foreign
        : encode(Buffer.from(documentOf(base, entities)))
      return { headers, body, sized: !path.endsWith('/chunked') }
    })
    t.ok(encode(Buffer.from(documentOf(base, LARGE))).length > 64 * 1024)
    for (const path of ['/small', '/chunked']) {
      const small = await get({ path })
      t.equal(small.body.toString(), translated(proxy), path)
      t.equal(small.headers['content-encoding'], undefined)
      t.equal(small.headers['content-length'], String(small.body.length))
    }
    for (const path of ['/large', '/large/chunked']) {
      const large = await call(port, { path })
      t.ok(large.body.toString() === translated(proxy, LARGE), path)
      t.equal(large.headers['content-encoding'], undefined)
    }
    const untouched = await call(port, { path: '/foreign' })
    t.ok(untouched.body.equals(foreign))
    t.match(untouched.headers, { ...headers, 'content-length': String(foreign.length) })
  })
}

/** Answers whose bodies are left alone although there is a link in them. */
const UNTOUCHED: Record<string, (base: string) => Answered> = {
  'text that is no document': (base) => ({ headers: { 'content-type': 'text/plain' }, body: base }),
  'a body without a type': (base) => ({ headers: {}, body: base }),
  'a part of a body': (base) => ({
    status: 206,
    headers: { ...JSON_TYPE, 'content-range': 'bytes 0-9/99' },
    body: base,
  }),
  'a coding that nobody knows': (base) => ({
    headers: { ...JSON_TYPE, 'content-encoding': 'zstd' },
    body: base,
  }),
  'two codings': (base) => ({
    headers: { ...JSON_TYPE, 'content-encoding': 'gzip, br' },
    body: base,
  }),
  'a coding of which nothing is true': (base) => ({
    headers: { ...JSON_TYPE, 'content-encoding': 'gzip' },
    body: base,
  }),
}

for (const [title, answer] of Object.entries(UNTOUCHED)) {
  t.test(`${title} is left alone`, async (t) => {
    const { get, base } = await start(t, answer)
    const { headers, body } = await get()
    t.equal(body.toString(), base)
    t.match(headers, { 'content-length': String(base.length) })
  })
}

t.test('raw values are data', async (t) => {
  const { get, base, proxy } = await start(t, (base) => ({ body: base }))
  for (const path of ["/Vendor('1')/Name/$value", "/Vendor('1')/$value?a=b"]) {
    t.equal((await get({ path })).body.toString(), base)
  }
  t.equal((await get({ path: '/Vendor?x=/$value' })).body.toString(), base, 'by the query, too')
  t.equal((await get({ path: '/$values' })).body.toString(), proxy)
})

t.test('an empty body that says it is compressed stays empty', async (t) => {
  for (const coding of ['gzip', 'deflate']) {
    const headers = { ...JSON_TYPE, 'content-encoding': coding }
    const { get } = await start(t, () => ({ headers, sized: false }))
    t.match(await get(), { status: 200, headers })
  }
})

t.test('identity is no coding', async (t) => {
  const { get, proxy } = await start(t, (base) => ({
    headers: { ...JSON_TYPE, 'content-encoding': 'Identity' },
    body: base,
  }))
  t.equal((await get()).body.toString(), proxy)
})

t.test('an answer without a body promises no length of one', async (t) => {
  const { get } = await start(t, (base) => ({ body: documentOf(base) }))
  const head = await get({ method: 'HEAD' })
  t.equal(head.headers['content-length'], undefined)
  t.match(head.headers, JSON_TYPE)
  const { get: getOther } = await start(t, () => ({
    headers: { 'content-type': 'a/b' },
    body: 'x',
  }))
  t.equal((await getOther({ method: 'HEAD' })).headers['content-length'], '1', 'others do')
  const empty = await start(t, () => ({}))
  t.equal((await empty.get()).headers['content-length'], '0', 'an empty body has one')
})

t.test('a 304 of a document does not either', async (t) => {
  const api = await startRawServer(t, (socket) => {
    socket.on('data', () =>
      socket.write(
        'HTTP/1.1 304 Not Modified\r\ncontent-type: application/json\r\ncontent-length: 9\r\netag: "1"\r\n\r\n',
      ),
    )
  })
  const { port } = await startProxy(t, { api: api.url })
  const answer = await call(port)
  t.match(answer, { status: 304, headers: { etag: '"1"' } })
  t.equal(answer.headers['content-length'], undefined)
})

/** A document that is decoded to a thousand times its size, as often as wanted. */
const BOMB = zlib.gzipSync(Buffer.alloc(4 * 1024 * 1024, ' '))

t.test('a small body that becomes large is streamed', async (t) => {
  const headers = { ...JSON_TYPE, 'content-encoding': 'gzip' }
  const { get } = await start(t, () => ({ headers, body: BOMB }))
  const { headers: fields, body } = await get()
  t.equal(body.length, 4 * 1024 * 1024)
  t.equal(fields['content-length'], undefined)
})

t.test('a compressed body that breaks off after its beginning breaks off', async (t) => {
  const whole = zlib.gzipSync(Buffer.from(documentOf('http://x', LARGE)), { level: 1 })
  const broken = Buffer.concat([whole.subarray(0, 70_000), Buffer.alloc(70_000, 1)])
  const headers = { ...JSON_TYPE, 'content-encoding': 'gzip' }
  const { get } = await start(t, () => ({ headers, body: broken }))
  await t.rejects(get(), { code: 'ECONNRESET' })
})

t.test('an answer that breaks off while it is held becomes an error with a code', async (t) => {
  const api = await startRawServer(t, (socket) => {
    socket.once('data', () =>
      socket.end('HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{'),
    )
  })
  const { port } = await startProxy(t, { api: api.url })
  t.match(await call(port), { status: 502, headers: { 'x-error-code': 'upstream_reset' } })
})

t.test('an answer that breaks off while it is decoded breaks off', async (t) => {
  const start = zlib.gzipSync(NOISE)
  for (const framing of ['content-length: 9000000', 'transfer-encoding: chunked']) {
    const size = framing.startsWith('t') ? `${start.length.toString(16)}\r\n` : ''
    const api = await startRawServer(t, (socket) => {
      socket.once('data', () => {
        const head = 'content-type: application/json\r\ncontent-encoding: gzip'
        socket.write(`HTTP/1.1 200 OK\r\n${head}\r\n${framing}\r\n\r\n${size}`)
        socket.write(start)
      })
      connection = socket
    })
    let connection: Socket | undefined
    const { port } = await startProxy(t, { api: api.url })
    const request = http.get({ port, host: '127.0.0.1', agent: false })
    const [response] = (await once(request, 'response')) as [IncomingMessage]
    connection?.end()
    response.resume()
    await t.rejects(once(response, 'end'), { code: 'ECONNRESET' }, framing)
  }
})

/** An endless answer; `written` says how far the API has come with it. */
const startEndless = async (t: Test, headers: OutgoingHttpHeaders, chunk: Buffer) => {
  const state = { written: 0, closed: false }
  const api = await startStreamingServer(t, (_request, response) => {
    response.once('close', () => {
      state.closed = true
    })
    response.writeHead(200, headers)
    const write = (): void => {
      while (!response.destroyed) {
        state.written += chunk.length
        if (!response.write(chunk)) return void response.once('drain', write)
      }
    }
    write()
  })
  const { port } = await startProxy(t, { api: api.url })
  return { state, port }
}

const pause = (ms: number) =>
  new Promise((resolve) => {
    setTimeout(resolve, ms)
  })

const MOST_UNDER_WAY = 24 * 1024 * 1024

/** Resolves when the API has written nothing for a while, or far too much. */
const stall = async (state: { readonly written: number }): Promise<void> => {
  let before = -1
  for (let still = 0; still < 6 && before < MOST_UNDER_WAY; await pause(100)) {
    still = state.written > before ? 0 : still + 1
    before = state.written
  }
}

t.test('a slow reader slows a translated answer down; leaving ends it', async (t) => {
  const plain = Buffer.from(`"http://127.0.0.1/"${' '.repeat(64 * 1024)}`)
  const member = zlib.gzipSync(Buffer.from(`"http://127.0.0.1/"${NOISE}`), { level: 1 })
  const cases: [headers: OutgoingHttpHeaders, chunk: Buffer][] = [
    [JSON_TYPE, plain],
    [{ ...JSON_TYPE, 'content-encoding': 'gzip' }, member],
  ]
  for (const [headers, chunk] of cases) {
    const { state, port } = await startEndless(t, headers, chunk)
    const request = http.get({ port, host: '127.0.0.1', agent: false })
    const [response] = (await once(request, 'response')) as [IncomingMessage]
    await stall(state)
    t.ok(state.written < MOST_UNDER_WAY, `${state.written} bytes under way`)
    // Once more, so that it is seen to go on.
    const stalled = state.written
    response.on('data', () => {
      if (state.written > stalled) response.destroy()
    })
    response.on('error', () => {})
    await once(response, 'close')
    while (!state.closed) await pause(5)
  }
})
