/** SAP Cloud SDK with a destination of the proxy's URL. Its argument is that URL. */
import { executeHttpRequest } from '@sap-cloud-sdk/http-client'
import { asc, desc } from '@sap-cloud-sdk/odata-v2'
import { answerTasks } from './lines.mjs'
import { applications, batch, changeSet, instances, vendors } from './sdk-entities.mjs'

const destination = { url: process.argv[2] }
const links = []

/** Sees each answer as it comes in. */
const watch = (options) => async (request) => {
  const answer = await options.fn(request)
  const text = typeof answer.data === 'string' ? answer.data : JSON.stringify(answer.data ?? '')
  for (const [, link] of text.matchAll(/"(?:uri|__next)":"([^"]+)"/g)) links.push(link)
  if (answer.headers.location) links.push(answer.headers.location)
  return answer
}

const run = (request) => request.middleware([watch]).execute(destination)

const http = async (method, url, data) => {
  const headers = data === undefined ? {} : { 'content-type': 'application/json' }
  const request = { method, url, headers, data, middleware: [watch] }
  return (await executeHttpRequest(destination, request)).data
}

const plain = ({ id, name, vendor }) => ({ Id: id, Name: name, Vendor: vendor && plain(vendor) })
const { NAME, ALL_FIELDS, VENDOR } = applications.schema
const named = (name) => applications.entityBuilder().name(name).build()

const allPages = async (url) => {
  const { results, __next: next } = (await http('get', url)).d
  return next === undefined ? results : [...results, ...(await allPages(next))]
}

const change = async (method, id, name) => {
  if (method === 'MERGE') return http('merge', `/Application('${id}')`, { Name: name })
  const entity = await run(applications.requestBuilder().getByKey(id))
  entity.name = name
  const update = applications.requestBuilder().update(entity)
  await run(method === 'PUT' ? update.replaceWholeEntityWithPut() : update)
  return null
}

await answerTasks({
  links: async () => links,
  metadata: () => http('get', '/$metadata'),
  list: async (top) => {
    const request = vendors.requestBuilder().getAll().orderBy(asc(vendors.schema.NAME)).top(top)
    return (await run(request)).map(plain)
  },
  pages: async () => {
    const { NAME } = instances.schema
    const last = await run(instances.requestBuilder().getAll().orderBy(desc(NAME)).top(1))
    const all = await allPages('/ApplicationInstance?$orderby=Name')
    if (all.at(-1).Name !== last[0].name) throw new Error(`${last[0].name} is not the last`)
    return all
  },
  expand: async () => {
    const request = applications.requestBuilder().getAll().select(ALL_FIELDS, VENDOR)
    return (await run(request.orderBy(asc(NAME)).top(3))).map(plain)
  },
  filter: async (name) => {
    const request = vendors.requestBuilder().getAll()
    return (await run(request.filter(vendors.schema.NAME.equals(name)))).map(plain)
  },
  create: async (name) => (await run(applications.requestBuilder().create(named(name)))).id,
  change,
  remove: (id) => run(applications.requestBuilder().delete(id)),
  batch: async (id, rename, create) => {
    const entity = await run(applications.requestBuilder().getByKey(id))
    entity.name = rename
    const { update, create: insert } = applications.requestBuilder()
    const [read, written] = await run(
      batch(
        vendors.requestBuilder().getAll().top(2),
        changeSet(update(entity), insert(named(create))),
      ),
    )
    if (!written.isSuccess()) throw new Error(`the change set failed: ${JSON.stringify(written)}`)
    return read.as(vendors).map(plain)
  },
})
