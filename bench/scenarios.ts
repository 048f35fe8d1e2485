/** What is asked of every proxy. */

export type Path = '/Small' | '/Large' | '/Links' | '/Huge'

export interface Document {
  readonly type: string
  /** Without one: so many bytes of no meaning. */
  readonly text?: string
  readonly bytes: number
}

export interface Scenario {
  readonly id: string
  readonly name: string
  readonly connections: number
  readonly method: 'GET' | 'POST'
  readonly path: Path
  /** The API is reached over TLS, and its certificate is verified. */
  readonly tls?: boolean
  /** Figures are CPU seconds per GB instead of µs per request. */
  readonly perGigabyte?: boolean
  /** Answers have links, whose length proxies change. */
  readonly links?: boolean
  /** Only run where it is asked for. */
  readonly special?: boolean
}

/** In the texts of documents: what the API puts its own URL for, which is as long. */
export const BASE = 'http://127.0.0.1:00000/v1'

const vendor = (id: number): object => ({
  ID: id,
  Name: `Vendor ${id}`,
  City: 'Walldorf',
  Scenario: 'A2A',
  Score: id / 3,
})

/** The three links of an entity as services of OData V2 have them. */
const linkedVendor = (id: number): object => ({
  __metadata: {
    id: `${BASE}/Vendor('${id}')`,
    uri: `${BASE}/Vendor('${id}')`,
    type: 'com.sap.intas.entities.Vendor',
  },
  ...vendor(id),
  CreatedAt: '/Date(1700000000000)/',
  Applications: { __deferred: { uri: `${BASE}/Vendor('${id}')/Applications` } },
})

/** An answer of OData V2 of exactly `bytes` bytes, if nothing in it is changed. */
const entities = (bytes: number, entity = vendor): Document => {
  const results: object[] = []
  const json = (padding: string): string => JSON.stringify({ d: { results, padding } })
  const room = JSON.stringify(entity(bytes)).length + 100
  for (let id = 1; json('').length + room < bytes; id++) results.push(entity(id))
  const text = json('x'.repeat(bytes - json('').length))
  return { type: 'application/json', text, bytes }
}

const HUGE = 10_000_000

export const DOCUMENTS: Readonly<Record<Path, Document>> = {
  '/Small': entities(2048),
  '/Large': entities(100 * 1024),
  '/Links': entities(100 * 1024, linkedVendor),
  '/Huge': { type: 'application/octet-stream', bytes: HUGE },
}

const get = (id: string, connections: number): Scenario => ({
  id,
  name: `GET 2 KB, ${connections === 1 ? '1 connection' : `${connections} connections`}`,
  connections,
  method: 'GET',
  path: '/Small',
})

export const SCENARIOS: readonly Scenario[] = [
  get('get-1', 1),
  get('get-32', 32),
  get('get-256', 256),
  { ...get('tls-32', 32), name: 'GET 2 KB over verified TLS', tls: true },
  { id: 'post-32', name: 'POST 2 KB', connections: 32, method: 'POST', path: '/Small' },
  { id: 'get-100k', name: 'GET 100 KB of JSON', connections: 32, method: 'GET', path: '/Large' },
  {
    id: 'links-100k',
    name: 'GET 100 KB of JSON with links',
    connections: 32,
    method: 'GET',
    path: '/Links',
    links: true,
  },
  {
    id: 'down-10m',
    name: '10 MB down',
    connections: 4,
    method: 'GET',
    path: '/Huge',
    perGigabyte: true,
  },
  {
    id: 'up-10m',
    name: '10 MB up',
    connections: 4,
    method: 'POST',
    path: '/Huge',
    perGigabyte: true,
  },
  {
    id: 'downloads',
    name: '10 MB down, eight at a time',
    connections: 8,
    method: 'GET',
    path: '/Huge',
    perGigabyte: true,
    special: true,
  },
]

export const bodyOf = ({ path }: Scenario): Buffer => {
  const { text, bytes } = DOCUMENTS[path]
  return text === undefined ? Buffer.alloc(bytes, 'x') : Buffer.from(text)
}

/** CPU µs per request → the unit of the scenario's figures. */
export const inUnit = ({ perGigabyte }: Scenario, cpu: number): number =>
  perGigabyte === true ? (cpu / 1e6) * (1e9 / HUGE) : cpu
