/** Links in requests, which way they lead, and under which name. */
import t from 'tap'
import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http'
import { LinkDirectory } from '../../src/proxy/links.ts'
import type { Route } from '../../src/proxy/route.ts'
import { exchange, type Call } from '../fixtures/http-client.ts'
import {
  JSON_TYPE,
  PATH,
  startTranslation as start,
  type Answered,
} from '../fixtures/translation.ts'

const linked = (base: string): Answered => ({
  headers: { ...JSON_TYPE, location: `${base}/x` },
  body: base,
})

const request = (proxy: string): Call => ({
  method: 'POST',
  path: '/$links/Vendor',
  body: `"${proxy}"`,
  headers: { ...JSON_TYPE, 'content-length': proxy.length + 2 },
})

t.test('SKP_REWRITE_LINKS=headers leaves bodies alone, off everything', async (t) => {
  for (const mode of ['headers', 'off']) {
    const { get, base, proxy, api } = await start(t, linked, { SKP_REWRITE_LINKS: mode })
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
  const ancient = await exchange(port, 'GET / HTTP/1.0\r\n\r\n')
  t.ok(ancient.endsWith(`\r\n\r\n${proxy}`), 'nor without a name')
})

const entity = (base: string): string => `{"uri":"${base}/Vendor('1')"}`

const part = (start: string, fields: string, body: string): string =>
  `--b\r\nContent-Type: application/http\r\n\r\n${start}\r\n${fields}` +
  `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}\r\n`

const batchAnswer = (base: string, location: string): string =>
  `${part('HTTP/1.1 201 Created', `Location: ${location}/Vendor('1')\r\n`, entity(base))}--b--\r\n`

t.test('a batch has right lengths in both directions', async (t) => {
  const headers = { 'content-type': 'multipart/mixed; boundary=b' }
  const { get, proxy, api, base } = await start(t, (base) => ({
    headers,
    body: batchAnswer(base, PATH),
  }))
  const host = proxy.slice('http://'.length)
  const apiHost = base.slice('http://'.length, -PATH.length)
  const requests = (padding: string): [sent: string, received: string] => {
    const lines = (own: string, name: string, path: string): string =>
      part(`POST ${own}/Vendor HTTP/1.1`, `Host: ${name}\r\n`, entity(own)) +
      part(`POST ${path}Vendor HTTP/1.1`, `host:${name}\r\n`, entity(own)) +
      part('POST Vendor HTTP/1.1', 'Host: other.example\r\n', padding) +
      part('POST /../Vendor HTTP/1.1', '', '')
    return [`${lines(proxy, host, '/')}--b--`, `${lines(base, apiHost, '')}--b--`]
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
    t.equal(body.toString(), batchAnswer(proxy, proxy))
    const { headers: fields, body: arrived } = api.requests.at(-1) ?? {}
    t.equal(arrived?.toString(), received)
    t.equal(fields?.['content-length'], String(received.length))
  }
})

const largeBatch = (own: string): string =>
  `--b\r\n\r\n{"uri":"${own}/Vendor"}\r\n`.repeat(2_500) + '--b--\r\n'

t.test('a large batch is translated while it streams', async (t) => {
  const { get, proxy, api, base } = await start(t, () => ({ body: '{}' }))
  const sent = largeBatch(proxy)
  const type = { 'content-type': 'multipart/mixed; boundary=b' }
  for (const framing of [{ 'content-length': sent.length }, { 'transfer-encoding': 'chunked' }]) {
    const path = '/$batch?x=y'
    await get({ method: 'POST', path, body: sent, headers: { ...type, ...framing } })
    const { headers, body } = api.requests.at(-1) ?? {}
    t.ok(body?.toString() === largeBatch(base))
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

const mountAt = (prefix: string, base: string, tokens: object): Route =>
  ({
    prefix,
    baseUrl: new URL(base),
    basePath: new URL(base).pathname.replace(/\/$/, ''),
    tokens,
  }) as Route

const requestTo = (host: string, localAddress = '127.0.0.1'): IncomingMessage =>
  ({ headers: { host }, socket: { localAddress, localPort: 8080 } }) as IncomingMessage

t.test('links to another route of the same key lead there; of another key, nowhere', async (t) => {
  const [key, otherKey] = [{}, {}]
  const entities = mountAt('', 'https://api.example/intas/entities/v1', key)
  const management = mountAt('/management', 'https://api.example/intas/management/v1', key)
  const tenant = mountAt('/tenant', 'https://api.example/intas/entities/v1', otherKey)
  const routes = [entities, management, tenant]
  const directory = new LinkDirectory(() => routes)
  const { targets } = directory.linksFor(requestTo('proxy'), entities).toCaller.table
  t.same(
    targets.map(({ path, replacement }) => [path, replacement]),
    [
      ['/intas/management/v1', 'http://proxy/management'],
      ['/intas/entities/v1', 'http://proxy'],
    ],
  )
  const tenantLinks = directory.linksFor(requestTo('proxy'), tenant)
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

t.test('a name that is none is not copied into links', async (t) => {
  const route = mountAt('', 'https://api.example/v1', {})
  const directory = new LinkDirectory(() => [route])
  for (const host of ['a"b', 'a/b', 'user@host', 'host:99999', 'a b', '<a>']) {
    const { targets } = directory.linksFor(requestTo(host), route).toCaller.table
    t.equal(targets[0]?.replacement, 'http://127.0.0.1:8080', host)
  }
})

t.test('links are compiled once per route and name, and anew when routes change', async (t) => {
  const route = mountAt('', 'https://api.example/', {})
  let routes: readonly Route[] = [route]
  const directory = new LinkDirectory(() => routes)
  const first = directory.linksFor(requestTo('a'), route)
  t.equal(directory.linksFor(requestTo('a'), route), first)
  t.not(directory.linksFor(requestTo('b'), route), first)
  const former = mountAt('', 'https://former.example/', {})
  const { table } = directory.linksFor(requestTo('a'), former).toCaller
  t.equal(table.targets[0]?.host, 'former.example', 'a route whose requests are still under way')
  routes = [route]
  t.not(directory.linksFor(requestTo('a'), route), first)
  const { targets } = directory.linksFor(requestTo('', '::1'), route).toCaller.table
  t.equal(targets[0]?.replacement, 'http://[::1]:8080')
  t.equal(targets[0]?.pathAbsolute, false, 'a path below nothing is right as it is')
  const { rewriteLine } = directory.linksFor(
    requestTo('a'),
    mountAt('/m', 'https://b/v1', {}),
  ).toApi
  t.equal(rewriteLine('GET /x HTTP/1.1'), 'GET /x HTTP/1.1', 'the path of another route')
})

t.test('a part that names us by path names the API relative to its base, if it can', async (t) => {
  const [route, root] = [mountAt('/m', 'https://b/v1', {}), mountAt('', 'https://a/v1', {})]
  const directory = new LinkDirectory(() => [route, root])
  const own = directory.linksFor(requestTo('a'), route).toApi
  for (const [target, expected] of [
    ['/m/Vendor?$top=1', 'Vendor?$top=1'],
    ['/m/Vendor/x:y', 'Vendor/x:y'],
    ["/m/Vendor('a:b')", "/v1/Vendor('a:b')"],
    ['/m/', '/v1/'],
    ['/m/?a', '/v1/?a'],
    ['/m//Vendor', '/m//Vendor'],
    ['/m/../x', '/m/../x'],
  ]) {
    t.equal(own.rewriteLine(`GET ${target} HTTP/1.1`), `GET ${expected} HTTP/1.1`)
  }
  const { rewriteLine } = directory.linksFor(requestTo('a'), root).toApi
  t.equal(rewriteLine('GET /v1/Vendor HTTP/1.1'), 'GET /v1/Vendor HTTP/1.1', 'is one of the API')
})

t.test('what is compiled for names is bounded by bytes as well as by count', async (t) => {
  const key = {}
  const routes = Array.from({ length: 20 }, (_, i) =>
    mountAt(`/r${i}`, `https://api.example/v${i}`, key),
  )
  const [route] = routes as [Route]
  const directory = new LinkDirectory(() => routes)
  const first = directory.linksFor(requestTo('proxy'), route)
  t.equal(directory.linksFor(requestTo('proxy'), route), first, 'kept')
  for (let i = 10; i < 30; i += 1) directory.linksFor(requestTo(`${'x'.repeat(253)}${i}`), route)
  t.not(directory.linksFor(requestTo('proxy'), route), first, 'pushed out by twenty long names')
})
