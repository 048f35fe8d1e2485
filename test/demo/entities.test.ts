// The demo's Entities API as an OData V2 service, over real sockets.
import t from 'tap'
import { dispatcher, type Entity, send, startServers } from '../fixtures/demo-servers.ts'

const { api, authorize, close } = await startServers()
const authorization = await authorize()
t.teardown(async () => {
  await dispatcher.destroy()
  await close()
})

const JSON_TYPE = { 'content-type': 'application/json' }
const inBase = (path: string) => (path.startsWith('https:') ? path : `${api.entities}/${path}`)
const get = (path: string) => send('GET', inBase(path), { authorization })
const write = (method: string, path: string, body?: unknown, headers = JSON_TYPE) => {
  const content = typeof body === 'string' ? body : JSON.stringify(body)
  return send(method, inBase(path), { authorization, ...headers }, content ?? null)
}
const follow = ({ __deferred: { uri } }: Entity['Vendor']) => get(uri)
const first = async (path: string): Promise<Entity> => {
  const [entity] = (await get(`${path}?$top=1`)).json.d.results
  if (!entity) throw new Error(`${path} is empty`)
  return entity
}

t.test('serves the whole model', async (t) => {
  const metadata = await get('$metadata')
  const sets = [...metadata.text.matchAll(/<EntitySet Name="(\w+)"/g)].map(
    (match) => match[1] ?? '',
  )
  t.equal(sets.length, 27)
  const answers = await Promise.all(sets.map(get))
  t.ok(answers.every(({ status }) => status === 200))
  const lengths = answers.map(({ json }, index) => [sets[index], json.d.results.length])
  t.match(Object.fromEntries(lengths), {
    Domain: 7,
    Style: 6,
    UseCasePattern: 24,
    IntegrationPattern: 12,
    KeyCharacteristic: 14,
    KeyCharacteristicValue: 29,
    Application: 40,
    // A page; the other ten are behind its link.
    ApplicationInstance: 50,
  })
})

t.test('links are absolute and lead where they say', async (t) => {
  const entity = await first('Application')
  const { __metadata: self, Vendor, ApplicationInstances } = entity
  t.ok(self.uri.startsWith(`${api.entities}/Application('`))
  t.equal((await get(self.uri)).json.d.Name, entity.Name)
  const [vendor, instances] = await Promise.all([follow(Vendor), follow(ApplicationInstances)])
  t.equal(vendor.json.d.Name, 'SAP SE')
  t.ok(instances.json.d.results.length > 0)
  t.notOk('VendorId' in entity, 'the hidden column stays hidden')
})

const page = async (path: string) => {
  const { __next: next = '', __count: count, results } = (await get(path)).json.d
  return { next, count, results }
}

t.test('a long list comes in pages, and the link to the next one is absolute', async (t) => {
  const first = await page('ApplicationInstance?$orderby=Id&$inlinecount=allpages')
  t.equal(first.count, '60')
  t.ok(first.next.startsWith(`${api.entities}/ApplicationInstance?`))
  const second = await page(first.next)
  t.match(second, { next: '', count: '60' })
  const ids = [...first.results, ...second.results].map(({ Id }) => Id)
  t.equal(new Set(ids).size, 60)
  t.equal((await page('ApplicationInstance?$top=50')).next, '', 'the whole of it has none')
})

t.test('answers query options', async (t) => {
  const names = async (query: string) => (await get(query)).json.d.results.map(({ Name }) => Name)
  const expanded = await get(`Application?$filter=substringof('Concur',Name)&$expand=Vendor`)
  t.match(expanded.json.d.results, [{ Name: 'SAP Concur Expense', Vendor: { Name: 'SAP SE' } }])
  t.same(await names('Domain?$orderby=Name%20desc&$skip=1&$top=1'), ['User2Cloud'])
  t.same(await names(`Application?$filter=Vendor/Name%20eq%20'IBM'`), ['IBM Maximo'])
  const counted = await get('Style?$inlinecount=allpages&$top=0')
  t.same(counted.json.d, { __count: '6', results: [] })
  t.equal((await get('Style/$count')).text, '6')
  t.equal((await get('Nothing')).status, 404)
})

t.test('creates with a link, then changes, replaces and deletes', async (t) => {
  const vendor = await first('Vendor')
  const created = await write('POST', 'Application', { Name: 'Mine', Vendor: { Id: vendor.Id } })
  t.equal(created.status, 201)
  t.match(created.json.d.Id, /^[\da-f-]{36}$/)
  const location = String(created.headers['location'])
  t.equal(location, `${api.entities}/Application('${created.json.d.Id}')`)
  const read = async () => (await get(`${location}?$expand=Vendor`)).json.d
  t.match(await read(), { Name: 'Mine', ApiHubId: null, Vendor: { Name: vendor.Name } })

  t.equal((await write('PATCH', location, { ApiHubId: 'a' })).status, 204)
  t.match(await read(), { Name: 'Mine', ApiHubId: 'a' })
  t.equal((await write('MERGE', location, { Vendor: null })).status, 204)
  t.match(await read(), { Name: 'Mine', ApiHubId: 'a', Vendor: null })
  t.equal((await write('PUT', location, { Name: 'Other' })).status, 204)
  t.match(await read(), { Name: 'Other', ApiHubId: null, CreatedAt: created.json.d.CreatedAt })
  const tunnel = { ...JSON_TYPE, 'x-http-method': 'MERGE' }
  t.equal((await write('POST', location, { ApiHubId: 'b' }, tunnel)).status, 204)
  t.match(await read(), { Name: 'Other', ApiHubId: 'b' })

  t.equal((await write('DELETE', location)).status, 204)
  const gone = await Promise.all([
    get(location),
    write('DELETE', location),
    write('PATCH', location, {}),
  ])
  for (const { status, json } of gone) {
    t.equal(status, 404)
    t.match(json.error, { message: { lang: 'en', value: /^No Application/ } })
  }
})

t.test('refuses a charset, broken JSON and a change without a key', async (t) => {
  const charset = { 'content-type': 'application/json; charset=utf-8' }
  const refused = await write('POST', 'Vendor', { Name: 'x' }, charset)
  t.equal(refused.status, 400)
  t.equal(refused.json.error.code, 'V122')
  t.equal((await write('POST', 'Vendor', '{')).status, 400)
  t.equal((await write('PATCH', 'Vendor', {})).status, 405)
  t.equal((await write('POST', 'Vendor', { Name: 'x'.repeat(200_000) })).status, 201)
})

t.test('answers the function import', async (t) => {
  const { Id } = await first('RequestLineItem')
  const { json } = await get(`InterfaceRequestReport?RequestLineItemId='${Id}'`)
  t.match(json.d.InterfaceRequestReport, /HR interfaces: .+ is completed/)
  t.equal((await get(`InterfaceRequestReport?RequestLineItemId='none'`)).status, 404)
})

t.test('answers a batch with a read and a change set', async (t) => {
  const batch = `--b
Content-Type: application/http
Content-Transfer-Encoding: binary

GET Domain?$top=1 HTTP/1.1


--b
Content-Type: multipart/mixed; boundary=c

--c
Content-Type: application/http
Content-Transfer-Encoding: binary

POST Vendor HTTP/1.1
Content-Type: application/json

{"Name":"From a batch"}
--c--
--b--
`.replaceAll('\n', '\r\n')
  const type = { 'content-type': 'multipart/mixed; boundary=b' }
  const { status, text } = await write('POST', '$batch', batch, type)
  t.equal(status, 200)
  t.match(text, /200 OK[^]*Cloud2Cloud[^]*201 Created[^]*From a batch/)
  t.ok(text.includes(`Location: ${api.entities}/Vendor('`))
  const found = await get(`Vendor?$filter=Name%20eq%20'From%20a%20batch'`)
  t.equal(found.json.d.results.length, 1)
})
