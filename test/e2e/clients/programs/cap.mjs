/** A CAP app that consumes the API as a remote service. Arguments: the proxy's URL, and what CAP calls it by. */
import cds from '@sap/cds'
import { fileURLToPath } from 'node:url'
import { answerTasks } from './lines.mjs'

const [, , url, transport] = process.argv
cds.env.remote = { ...cds.env.remote, native_fetch: transport === 'fetch' }

const links = []
const { fetch } = globalThis
globalThis.fetch = async (...args) => {
  const answer = await fetch(...args)
  const text = await answer.clone().text()
  for (const [, link] of text.matchAll(/"(?:uri|__next)":"([^"]+)"/g)) links.push(link)
  return answer
}

cds.model = cds.compile.for.nodejs(
  await cds.load(fileURLToPath(new URL('../cap-api/srv/entities.cds', import.meta.url))),
)
const service = await cds.connect.to('com.sap.intas.entities', {
  kind: 'odata-v2',
  credentials: { url },
  csrf: true,
  csrfInBatch: true,
})
const { SELECT, INSERT, UPDATE, DELETE } = cds.ql
const { Application, ApplicationInstance, Vendor } = service.entities

const pagesFrom = async (start) => {
  const query = SELECT.from(ApplicationInstance).orderBy('Name').limit(50, start)
  const page = await service.run(query)
  return page.length < 50 ? page : [...page, ...(await pagesFrom(start + 50))]
}

await answerTasks({
  links: async () => links,
  metadata: () => {
    // fetch would say `*`, to which CAP's adapter answers 500 without a body.
    const headers = { accept: 'application/xml', 'accept-language': 'en' }
    return service.send({ method: 'GET', path: '/$metadata', headers })
  },
  list: (top) => service.run(SELECT.from(Vendor).orderBy('Name').limit(top)),
  pages: () => pagesFrom(0),
  expand: () =>
    service.run(
      SELECT.from(Application)
        .columns('*', { ref: ['Vendor'], expand: ['*'] })
        .orderBy('Name')
        .limit(3),
    ),
  filter: (name) => service.run(SELECT.from(Vendor).where({ Name: name })),
  // Too long for a URL: CAP asks in a $batch.
  batch: (name) => {
    const names = Array.from({ length: 60 }, (_, i) => `Nobody by the number of ${i}`)
    return service.run(SELECT.from(Vendor).where({ Name: { in: [name, ...names] } }))
  },
  create: async (name) => {
    const created = await service.run(INSERT.into(Application).entries({ Name: name }))
    return [created].flat()[0].Id
  },
  change: (method, id, name) =>
    method === 'PATCH'
      ? service.run(UPDATE(Application, id).with({ Name: name }))
      : service.send({ method, path: `/Application('${id}')`, data: { Name: name } }),
  remove: (id) => service.run(DELETE.from(Application, id)),
})
