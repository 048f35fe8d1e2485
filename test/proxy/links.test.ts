/** Links on the wire: what callers get to see, and what the API gets back. */
import t, { type Test } from 'tap'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import http, { type IncomingMessage, type OutgoingHttpHeaders } from 'node:http'
import zlib from 'node:zlib'
import { LinkDirectory } from '../../src/proxy/links.ts'
import type { Mount } from '../../src/proxy/mount.ts'
import { call, exchange, type Call } from '../fixtures/http-client.ts'
import { startProxy } from '../fixtures/proxy.ts'
import { startRawServer, startServer, startStreamingServer } from '../fixtures/recording-server.ts'

const PATH = '/intas/entities/v1'
const JSON_TYPE = { 'content-type': 'application/json' }

interface Answered {
  readonly status?: number
  readonly headers?: OutgoingHttpHeaders
  readonly body?: Buffer | string
  /** Sent with `Content-Length`, unless it is false. */
  readonly sized?: boolean
}

/** An API that gives one answer, made with its own base URL, and the proxy before it. */
const start = async (
  t: Test,
  answer: (base: string) => Answered,
  settings: Record<string, string> = {},
) => {
  const api = await startServer(t, (_request, response) => {
    const { status = 200, headers = JSON_TYPE, body = '', sized = true } = answer(base)
    const length = sized ? { 'content-length': Buffer.byteLength(body) } : {}
    response.writeHead(status, { ...headers, ...length }).end(body)
  })
  const base = `${api.url}${PATH}`
  const { port, log } = await startProxy(t, { api: base, settings })
  const proxy = `http://127.0.0.1:${port}`
  return { api, base, port, log, proxy, get: (options: Call = {}) => call(port, options) }
}

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
      const entities = path.endsWith('/large') ? LARGE : 1
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
    const large = await call(port, { path: '/large' })
    t.ok(large.body.toString() === translated(proxy, LARGE))
    t.equal(large.headers['content-encoding'], undefined)
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

t.test('SKP_REWRITE_LINKS=headers leaves bodies alone, off everything', async (t) => {
  const answer = (base: string): Answered => ({
    headers: { ...JSON_TYPE, location: `${base}/x` },
    body: base,
  })
  const request = (proxy: string): Call => ({
    method: 'POST',
    path: '/$links/Vendor',
    body: `"${proxy}"`,
    headers: { ...JSON_TYPE, 'content-length': proxy.length + 2 },
  })
  for (const mode of ['headers', 'off']) {
    const { get, base, proxy, api } = await start(t, answer, { SKP_REWRITE_LINKS: mode })
    const { headers, body } = await get(request(proxy))
    t.equal(headers.location, mode === 'off' ? `${base}/x` : `${proxy}/x`)
    t.equal(body.toString(), base)
    t.equal(api.requests[0]?.body.toString(), `"${proxy}"`)
  }
})

t.test('links name us as the caller does', async (t) => {
  const { get, proxy, port } = await start(t, (base) => ({ body: base }))
  for (const host of ['my-proxy.apps.internal:8080', 'Localhost', '[::1]:8080']) {
    t.equal((await get({ headers: { host } })).body.toString(), `http://${host}`)
  }
  for (const host of ['a"b', 'a/b', 'user@host', 'host:99999', 'a b', '']) {
    t.equal((await get({ headers: { host } })).body.toString(), proxy, `not "${host}"`)
  }
  const ancient = await exchange(port, 'GET / HTTP/1.0\r\n\r\n')
  t.ok(ancient.endsWith(`\r\n\r\n${proxy}`), 'nor without a name')
})

t.test('a batch has right lengths in both directions', async (t) => {
  const entity = (base: string): string => `{"uri":"${base}/Vendor('1')"}`
  const part = (start: string, fields: string, body: string): string =>
    `--b\r\nContent-Type: application/http\r\n\r\n${start}\r\n${fields}` +
    `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}\r\n`
  const answer = (base: string, location: string): string =>
    `${part('HTTP/1.1 201 Created', `Location: ${location}/Vendor('1')\r\n`, entity(base))}--b--\r\n`
  const headers = { 'content-type': 'multipart/mixed; boundary=b' }
  const { get, proxy, api, base } = await start(t, (base) => ({
    headers,
    body: answer(base, PATH),
  }))
  const host = proxy.slice('http://'.length)
  const apiHost = base.slice('http://'.length, -PATH.length)
  const requests = (padding: string): [sent: string, received: string] => {
    const lines = (own: string, name: string, path: string): string =>
      part(`POST ${own}/Vendor HTTP/1.1`, `Host: ${name}\r\n`, entity(own)) +
      part(`POST ${path}/Vendor HTTP/1.1`, `host:${name}\r\n`, entity(own)) +
      part('POST Vendor HTTP/1.1', 'Host: other.example\r\n', padding) +
      part('POST /../Vendor HTTP/1.1', '', '')
    return [`${lines(proxy, host, '')}--b--`, `${lines(base, apiHost, PATH)}--b--`]
  }
  for (const padding of ['', 'x'.repeat(10_000)]) {
    const [sent, received] = requests(padding)
    const length = { 'content-length': sent.length }
    const { body } = await get({
      method: 'POST',
      path: '/$batch',
      body: sent,
      headers: { ...headers, ...length },
    })
    t.equal(body.toString(), answer(proxy, proxy))
    const { headers: fields, body: arrived } = api.requests.at(-1) ?? {}
    t.equal(arrived?.toString(), received)
    t.equal(fields?.['content-length'], String(received.length))
  }
})

t.test('a large batch is translated while it streams', async (t) => {
  const { get, proxy, api, base } = await start(t, () => ({ body: '{}' }))
  const batch = (own: string): string =>
    `--b\r\n\r\n{"uri":"${own}/Vendor"}\r\n`.repeat(2_500) + '--b--\r\n'
  const sent = batch(proxy)
  const type = { 'content-type': 'multipart/mixed; boundary=b' }
  for (const framing of [{ 'content-length': sent.length }, { 'transfer-encoding': 'chunked' }]) {
    const path = '/$batch?x=y'
    await get({ method: 'POST', path, body: sent, headers: { ...type, ...framing } })
    const { headers, body } = api.requests.at(-1) ?? {}
    t.ok(body?.toString() === batch(base))
    t.equal(headers?.['content-length'], undefined)
  }
})

t.test('a large batch that is too large is refused while it streams', async (t) => {
  const { get } = await start(t, () => ({}), { SKP_MAX_BODY: '100KB' })
  const headers = { 'content-type': 'multipart/mixed; boundary=b', 'transfer-encoding': 'chunked' }
  const body = Buffer.alloc(400_000)
  t.equal((await get({ method: 'POST', path: '/$batch', body, headers })).status, 413)
})

t.test('links of the proxy in bodies become those of the API', async (t) => {
  const { get, proxy, api, base } = await start(t, () => ({ body: '{}' }))
  const post = async (body: string, headers: OutgoingHttpHeaders = JSON_TYPE) => {
    const length = { 'content-length': Buffer.byteLength(body) }
    await get({ method: 'POST', path: '/$links', body, headers: { ...headers, ...length } })
    const { headers: fields, body: arrived = Buffer.alloc(0) } = api.requests.at(-1) ?? {}
    t.equal(fields?.['content-length'], String(arrived.length))
    return arrived.toString()
  }
  t.equal(await post(`{"uri":"${proxy}/Vendor('1')"}`), `{"uri":"${base}/Vendor('1')"}`)
  t.equal(
    await post(`{"uri":"${proxy}${PATH}/x"}`),
    `{"uri":"${base}/x"}`,
    'with the path of the API',
  )
  t.equal(
    await post(`<uri>${proxy}</uri>`, { 'content-type': 'application/xml' }),
    `<uri>${base}</uri>`,
  )
  const kept = [
    '{"uri":"/Vendor"}',
    `{"uri":"${base}/x"}`,
    `{"uri":"http://127.0.0.1/x"}`,
    `{"uri":"${proxy}0/x"}`,
  ]
  for (const body of kept) t.equal(await post(body), body)
  t.equal(await post(proxy, { 'content-type': 'text/plain' }), proxy)
  t.equal(await post(proxy, { ...JSON_TYPE, 'content-encoding': 'gzip' }), proxy)
  const chunked = { ...JSON_TYPE, 'transfer-encoding': 'chunked' }
  await get({ method: 'POST', body: proxy, headers: chunked })
  t.equal(api.requests.at(-1)?.body.toString(), proxy, 'a stream that is no batch')
  await get({
    method: 'POST',
    body: proxy,
    path: "/Vendor('1')/$value",
    headers: { ...JSON_TYPE, 'content-length': proxy.length },
  })
  t.equal(api.requests.at(-1)?.body.toString(), proxy, 'a raw value')
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
  const api = await startRawServer(t, (socket) => {
    socket.once('data', () => {
      socket.write(
        'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-encoding: gzip\r\ncontent-length: 9000000\r\n\r\n',
      )
      socket.end(BOMB)
    })
  })
  const { port } = await startProxy(t, { api: api.url })
  await t.rejects(call(port), { code: 'ECONNRESET' })
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
    for (let before = -1; state.written > before; await pause(100)) before = state.written
    t.ok(state.written < 32 * 1024 * 1024, `${state.written} bytes under way`)
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

const mountAt = (prefix: string, base: string, tokens: object): Mount =>
  ({
    prefix,
    baseUrl: new URL(base),
    basePath: new URL(base).pathname.replace(/\/$/, ''),
    tokens,
  }) as Mount

const requestTo = (host: string, localAddress = '127.0.0.1'): IncomingMessage =>
  ({ headers: { host }, socket: { localAddress, localPort: 8080 } }) as IncomingMessage

t.test('links to another mount of the same key lead there; of another key, nowhere', async (t) => {
  const [key, otherKey] = [{}, {}]
  const entities = mountAt('', 'https://api.example/intas/entities/v1', key)
  const management = mountAt('/management', 'https://api.example/intas/management/v1', key)
  const tenant = mountAt('/tenant', 'https://api.example/intas/entities/v1', otherKey)
  const directory = new LinkDirectory(() => [entities, management, tenant])
  const directoryOf = (mounts: readonly Mount[]) => new LinkDirectory(() => mounts)
  const { targets } = directory.linksFor(requestTo('proxy'), entities).toCaller.table
  t.same(
    targets.map(({ path, replacement }) => [path, replacement]),
    [
      ['/intas/management/v1', 'http://proxy/management'],
      ['/intas/entities/v1', 'http://proxy'],
    ],
  )
  const mounts = [entities, management, tenant]
  const tenantLinks = directoryOf(mounts).linksFor(requestTo('proxy'), tenant)
  t.same(
    tenantLinks.toCaller.table.targets.map(({ replacement }) => replacement),
    ['http://proxy/tenant'],
  )
  const backwards = directory.linksFor(requestTo('proxy'), management).toApi.table.targets
  t.same(
    backwards.map(({ path, replacement }) => [path, replacement]),
    [
      ['/management/intas/management/v1', 'https://api.example/intas/management/v1'],
      ['/intas/management/v1', 'https://api.example/intas/management/v1'],
      ['/intas/entities/v1', 'https://api.example/intas/entities/v1'],
      ['/management', 'https://api.example/intas/management/v1'],
      ['', 'https://api.example/intas/entities/v1'],
    ],
  )
})

t.test('links are compiled once per mount and name, and anew when mounts change', async (t) => {
  const mount = mountAt('', 'https://api.example/', {})
  let mounts: readonly Mount[] = [mount]
  const directory = new LinkDirectory(() => mounts)
  const first = directory.linksFor(requestTo('a'), mount)
  t.equal(directory.linksFor(requestTo('a'), mount), first)
  t.not(directory.linksFor(requestTo('b'), mount), first)
  mounts = [mount]
  t.not(directory.linksFor(requestTo('a'), mount), first)
  const { targets } = directory.linksFor(requestTo('', '::1'), mount).toCaller.table
  t.equal(targets[0]?.replacement, 'http://[::1]:8080')
  t.equal(targets[0]?.pathAbsolute, false, 'a path below nothing is right as it is')
  const { rewriteLine } = directory.linksFor(requestTo('a'), mountAt('/m', 'https://b/', {})).toApi
  t.equal(rewriteLine('GET /x HTTP/1.1'), 'GET /x HTTP/1.1', 'the path of another mount')
})
