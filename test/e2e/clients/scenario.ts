/** The same for every client: each task once, judged by what the API itself says afterwards. */
import type { Test } from 'tap'
import type { Scene } from './scene.ts'
import type { Entity, Exceptions, Method, Tasks } from './tasks.ts'

interface List {
  readonly results: readonly Entity[]
}

const namesOf = (entities: readonly Entity[] = []) => entities.map(({ Name }) => Name)

const withVendors = (entities: readonly Entity[] = []) =>
  entities.map(({ Name, Vendor }) => `${Name} by ${Vendor?.Name}`)

const METHODS: readonly Method[] = ['PATCH', 'MERGE', 'PUT']

export const play = async (t: Test, scene: Scene, tasks: Tasks, exceptions: Exceptions = {}) => {
  const { direct, api, url } = scene
  const step = (title: string, name: keyof Exceptions, body: (t: Test) => Promise<void>) => {
    const reason = exceptions[name]
    return t.test(
      reason === undefined ? title : `${title}: ${reason}`,
      { skip: reason ?? false },
      body,
    )
  }
  const listed = async (path: string) => namesOf((await direct<List>(path))?.results)
  const nameOf = async (id: string) => (await direct(`Application('${id}')`))?.Name
  const unique = `${t.name} äß€`

  await step('reads $metadata', 'metadata', async (t) => {
    t.match(await tasks.metadata(), /<EntityType Name="ApplicationInstance"/)
  })
  await step('lists', 'list', async (t) => {
    const names = namesOf(await tasks.list(3))
    t.strictSame(names, await listed('Vendor?$orderby=Name&$top=3'))
    t.equal(names.length, 3)
  })
  await step('pages', 'pages', async (t) => {
    const names = new Set(namesOf(await tasks.pages()))
    const [first, second] = await Promise.all([
      listed('ApplicationInstance?$orderby=Name'),
      listed('ApplicationInstance?$orderby=Name&$skip=50'),
    ])
    t.equal(first.length, 50)
    // Each client asks for another language, and so for another order.
    t.strictSame([...names].toSorted(), [...first, ...second].toSorted())
    t.ok(second.length > 0)
  })
  await step('expands', 'expand', async (t) => {
    const found = withVendors(await tasks.expand())
    const path = 'Application?$orderby=Name&$top=3&$expand=Vendor'
    t.strictSame(found, withVendors((await direct<List>(path))?.results))
    t.notMatch(found.join(), /undefined/)
  })
  await step('filters', 'filter', async (t) => {
    t.strictSame(namesOf(await tasks.filter('SAP SE')), ['SAP SE'])
    t.strictSame(namesOf(await tasks.filter('Nobody')), [])
  })

  let id = ''
  await step('creates, once', 'create', async (t) => {
    id = await tasks.create(unique)
    t.equal(await nameOf(id), unique)
    t.equal(api.requests.filter(({ body }) => body.includes(unique)).length, 1)
  })
  for (const method of METHODS) {
    await step(`changes with ${method}`, method, async (t) => {
      const before = api.requests.length
      await tasks.change(method, id, `${unique} by ${method}`)
      t.equal(await nameOf(id), `${unique} by ${method}`)
      const sent = api.requests.slice(before).filter(({ method }) => method !== 'GET')
      t.strictSame(
        sent.flatMap(({ method, headers }) =>
          method === 'HEAD' ? [] : [headers['x-http-method'] ?? method],
        ),
        [method],
      )
    })
  }
  await step('sends a $batch with a change set', 'batch', async (t) => {
    const vendors = namesOf(await tasks.batch(id, `${unique} renamed`, `${unique} second`))
    t.strictSame(vendors, await listed('Vendor?$top=2'))
    t.equal(await nameOf(id), `${unique} renamed`)
    const filter = encodeURIComponent(`Name eq '${unique} second'`)
    t.strictSame(await listed(`Application?$filter=${filter}`), [`${unique} second`])
  })
  await step('deletes', 'remove', async (t) => {
    await tasks.remove(id)
    t.equal(await nameOf(id), undefined)
  })
  await step('saw no link but to the proxy', 'links', async (t) => {
    const links = await tasks.links()
    t.ok(links.length > 50, `${links.length} links`)
    t.strictSame(
      links.filter((link) => !link.startsWith(`${url}/`)),
      [],
    )
  })
}
