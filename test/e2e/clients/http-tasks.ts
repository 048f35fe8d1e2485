/** The tasks in bare HTTP, for clients that know nothing of OData. Follows links as they come. */
import type { Entity, Tasks } from './tasks.ts'

interface HttpAnswer {
  readonly status: number
  readonly location: string | undefined
  readonly body: string
}

export type Send = (
  method: string,
  url: string,
  headers?: Readonly<Record<string, string>>,
  body?: string,
) => Promise<HttpAnswer>

interface Page {
  readonly results: readonly Entity[]
  readonly __next?: string
}

const JSON_TYPE = { 'content-type': 'application/json', accept: 'application/json' }
const CRLF = '\r\n'

const jsonParts = (text: string): string[] =>
  text.split(/\r?\n/).filter((line) => line.startsWith('{'))

const linksOf = (text: string): string[] =>
  [...text.matchAll(/"(?:uri|__next)"\s*:\s*"([^"]+)"/g)].map(([, link]) =>
    String(link).replaceAll('\\/', '/'),
  )

const write = (contentId: number, line: string, name: string) => {
  const json = JSON.stringify({ Name: name })
  return [
    '--changes',
    'Content-Type: application/http',
    'Content-Transfer-Encoding: binary',
    `Content-ID: ${contentId}`,
    '',
    `${line} HTTP/1.1`,
    'Content-Type: application/json',
    'Accept: application/json',
    `Content-Length: ${Buffer.byteLength(json)}`,
    '',
    json,
  ]
}

const batchBody = (id: string, rename: string, create: string): string => {
  return [
    '--batch',
    'Content-Type: application/http',
    'Content-Transfer-Encoding: binary',
    '',
    'GET Vendor?$top=2&$format=json HTTP/1.1',
    'Accept: application/json',
    '',
    '',
    '--batch',
    'Content-Type: multipart/mixed; boundary=changes',
    '',
    ...write(1, `MERGE Application('${id}')`, rename),
    ...write(2, 'POST Application', create),
    '--changes--',
    '',
    '--batch--',
    '',
  ].join(CRLF)
}

/** @param base the proxy's address */
export const httpTasks = (base: string, request: Send): Tasks => {
  const links: string[] = []
  const send: Send = async (...args) => {
    const answer = await request(...args)
    if (answer.location !== undefined) links.push(answer.location)
    links.push(...linksOf(answer.body))
    if (answer.status < 300) return answer
    throw new Error(`${args[0]} ${args[1]} was answered ${answer.status}: ${answer.body}`)
  }
  const read = async (url: string): Promise<Page> => {
    const { body } = await send('GET', url, { accept: 'application/json' })
    return (JSON.parse(body) as { d: Page }).d
  }
  const list = async (query: string) => (await read(`${base}/${query}`)).results
  const all = async (url: string | undefined): Promise<readonly Entity[]> => {
    if (url === undefined) return []
    const { results, __next } = await read(url)
    return [...results, ...(await all(__next))]
  }
  const application = (id: string) => `${base}/Application('${id}')`
  return {
    links: () => Promise.resolve(links),
    metadata: async () => (await send('GET', `${base}/$metadata`)).body,
    list: (top) => list(`Vendor?$orderby=Name&$top=${top}`),
    pages: () => all(`${base}/ApplicationInstance?$orderby=Name`),
    expand: () => list('Application?$orderby=Name&$top=3&$expand=Vendor'),
    filter: (name) => list(`Vendor?$filter=${encodeURIComponent(`Name eq '${name}'`)}`),
    create: async (name) => {
      const json = JSON.stringify({ Name: name })
      const { location, body } = await send('POST', `${base}/Application`, JSON_TYPE, json)
      const { Id } = (JSON.parse(body) as { d: Entity }).d
      // Where the API says it is, not where we know it to be.
      const { body: again } = await send('GET', String(location), { accept: 'application/json' })
      if (!again.includes(`"${name}"`)) throw new Error(`${location} shows ${again}`)
      return Id
    },
    change: (method, id, name) =>
      send(method, application(id), JSON_TYPE, JSON.stringify({ Name: name })),
    remove: (id) => send('DELETE', application(id)),
    batch: async (...names) => {
      const type = { 'content-type': 'multipart/mixed; boundary=batch' }
      const { body } = await send('POST', `${base}/$batch`, type, batchBody(...names))
      const [first = '{}'] = jsonParts(body)
      return (JSON.parse(first) as { d: Page }).d.results
    },
  }
}
