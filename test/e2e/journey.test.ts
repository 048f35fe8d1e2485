/**
 * The whole job on real parts: the built program, verified TLS, a token server that signs, and the
 * Entities API that verifies every token.
 */
import t from 'tap'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createCertificateAuthority } from '../../demo/certificate-authority.ts'
import { startEntitiesApi } from '../../demo/entities-api.ts'
import { startTokenServer } from '../../demo/token-server.ts'
import { call } from '../fixtures/http-client.ts'
import { startProgram } from '../fixtures/program.ts'

const CLIENT_ID = 'sb-0d3c9a51!b12345|intas-demo!b678'
const SECRET = 'f1e2+$Qz/=a b&c'

const authority = await createCertificateAuthority()
const tls = await authority.issueServer()
const tokenServer = await startTokenServer({ tls, clients: { [CLIENT_ID]: SECRET } })
const api = await startEntitiesApi({
  tls,
  tokenServerUrl: tokenServer.url,
  authority: authority.certificate,
})
t.teardown(() => Promise.all([tokenServer.close(), api.close()]))

const caFile = join(t.testdir({}), 'ca.pem')
writeFileSync(caFile, authority.certificate)
const credentials = {
  entities: api.entities,
  clientid: CLIENT_ID,
  clientsecret: SECRET,
  url: tokenServer.url,
}
const program = startProgram(t, [], {
  PORT: '0',
  SKP_CA_FILE: caFile,
  SKP_DRAIN_DELAY: '0ms',
  VCAP_SERVICES: JSON.stringify({
    'user-provided': [{ name: 'pasted', label: 'user-provided', tags: [], credentials }],
  }),
})
const { address } = await program.logged('listening')
const port = Number(new URL(String(address)).port)

interface Entity {
  readonly Id: string
  readonly Name: string
  readonly Vendor: { readonly Name: string }
}

const read = async (path: string) => {
  const { status, body } = await call(port, { path })
  t.equal(status, 200, path)
  return (JSON.parse(body.toString()) as { d: Entity & { results: readonly Entity[] } }).d
}

const write = (method: string, path: string, entity?: object) =>
  call(port, {
    method,
    path,
    ...(entity === undefined
      ? {}
      : { body: JSON.stringify(entity), headers: { 'content-type': 'application/json' } }),
  })

t.test('the API refuses whoever comes without the proxy', async (t) => {
  const before = api.requests.length
  const { Agent, request } = await import('undici')
  const dispatcher = new Agent({ connect: { ca: authority.certificate } })
  const answer = await request(`${api.entities}/Vendor`, { dispatcher })
  t.equal(answer.statusCode, 401)
  await answer.body.dump()
  await dispatcher.destroy()
  t.equal(api.requests.length, before + 1)
})

t.test('a client reads, filters and expands', async (t) => {
  const { results } = await read('/Vendor?$select=Id,Name&$top=3')
  t.equal(results.length, 3)
  const [first] = results
  const filter = encodeURIComponent(`Name eq '${first?.Name}'`)
  t.match((await read(`/Vendor?$filter=${filter}`)).results, [{ Id: first?.Id }])
  const expanded = await read('/Application?$top=1&$expand=Vendor')
  t.type(expanded.results[0]?.Vendor.Name, 'string')
  const { headers } = await call(port, { path: '/$metadata' })
  t.match(headers['content-type'], /xml/)
})

t.test('a batch that names the proxy is answered with links of the proxy', async (t) => {
  const own = `http://127.0.0.1:${port}`
  const lines = [
    '--b',
    'Content-Type: application/http',
    '',
    `GET ${own}/Vendor?$top=1 HTTP/1.1`,
    `Host: 127.0.0.1:${port}`,
    '',
    '',
    '--b--',
    '',
  ]
  const body = lines.join('\r\n')
  const headers = { 'content-type': 'multipart/mixed; boundary=b', 'content-length': body.length }
  const answer = await call(port, { method: 'POST', path: '/$batch', body, headers })
  const text = answer.body.toString()
  t.match(text, '200 OK')
  t.match(text, `"uri":"${own}/Vendor(`)
  t.notMatch(text, api.entities)
})

t.test('a client creates, changes and deletes', async (t) => {
  const created = await write('POST', '/Application', { Name: 'Journey' })
  t.equal(created.status, 201)
  const { Id } = (JSON.parse(created.body.toString()) as { d: Entity }).d
  const path = `/Application('${Id}')`
  for (const method of ['PATCH', 'MERGE', 'PUT']) {
    t.equal((await write(method, path, { Name: `Journey by ${method}` })).status, 204)
    t.equal((await read(path)).Name, `Journey by ${method}`)
  }
  t.equal((await write('DELETE', path)).status, 204)
  t.equal((await call(port, { path })).status, 404)
})

/** Every link in an answer, wherever it is. */
const linksIn = (value: unknown): string[] => {
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([name, inner]) =>
    typeof inner === 'string' && ['uri', '__next'].includes(name) ? [inner] : linksIn(inner),
  )
}

t.test('a client that follows every link never leaves the proxy', async (t) => {
  const own = `http://127.0.0.1:${port}/`
  const seen = new Set<string>()
  const visit = async (url: string) => {
    t.ok(url.startsWith(own), url)
    const { status, body } = await call(port, { path: url.slice(own.length - 1) })
    t.ok([200, 204].includes(status), `${status} ${url}`)
    return status === 200 ? linksIn(JSON.parse(body.toString())) : []
  }
  const created = await write('POST', '/Application', { Name: 'Linked' })
  let wave = [
    String(created.headers.location),
    `${own}ApplicationInstance?$top=55&$expand=Application`,
  ]
  // Two steps from the pages: entity, deferred link, and what is behind it.
  for (let step = 0; step < 3; step += 1) {
    const found = await Promise.all(wave.map(visit))
    for (const url of wave) seen.add(url)
    const links = found.flat().filter((url) => !seen.has(url))
    const pages = links.filter((url) => url.includes('$skiptoken') || url.includes('%24skiptoken'))
    wave = [...new Set([...pages, ...links])].slice(0, 8)
  }
  t.ok([...seen].some((url) => url.includes('skiptoken')))
  t.ok(
    [...seen].some((url) => /\)\/\w+$/.test(url)),
    'deferred links, too',
  )
  t.ok(seen.size > 15)
})

t.test('links of the API that are path-absolute work as they are', async (t) => {
  const { results } = await read('/intas/entities/v1/Vendor?$top=1')
  t.equal(results.length, 1)
})

t.test('one token served all of it, and it shows up nowhere', async (t) => {
  t.equal(tokenServer.requests.filter(({ path }) => path === '/oauth/token').length, 1)
  program.child.kill('SIGTERM')
  t.equal(await program.ended, 0)
  const token = String(api.requests.at(-1)?.headers.authorization).replace('Bearer ', '')
  t.ok(token.length > 500)
  const output = program.stdout() + program.stderr()
  t.notOk(output.includes(token))
  t.notOk(output.includes(SECRET))
})
