// Between the rows the mock server stores and the entities a V2 client sees. A row keeps the Id of
// what it links to in a hidden column; a client writes `{"Vendor":{"Id":"…"}}` and reads a link.
import type { DataAccess } from '@sap-ux/fe-mockserver-core/dist/data/dataAccess.js'
import { ODataError } from './odata-error.ts'

type Metadata = ReturnType<DataAccess['getMetadata']>
export type EntityType = NonNullable<ReturnType<Metadata['getEntityType']>>
export type Entity = Record<string, unknown>

const SERVER_ASSIGNED = ['Id', 'CreatedAt', 'ModifiedAt', '__metadata']

/** Name of the hidden column for a navigation property to one entity. */
export const linkName = (navigation: string): string => `${navigation}Id`

export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Merge is PATCH and MERGE, replace is PUT. */
export type Purpose = 'create' | 'replace' | 'merge'

/**
 * The row for what a client wrote. What a client must not set is dropped. Optional properties that
 * were left out become null, except in a merge, where they stay as they are.
 */
export function toRow(type: EntityType, body: unknown, purpose: Purpose): Entity {
  if (!isObject(body)) throw new ODataError(400, '400', 'The body is not a JSON object')
  const row: Entity = { ...body }
  for (const name of SERVER_ASSIGNED) delete row[name]
  storeLinks(type, row)
  if (purpose !== 'merge') {
    for (const { name, nullable } of type.entityProperties) {
      if (nullable !== false && !SERVER_ASSIGNED.includes(name)) row[name] ??= null
    }
  }
  const hasTimes = type.entityProperties.some(({ name }) => name === 'ModifiedAt')
  const now = `/Date(${Date.now()})/`
  if (hasTimes) Object.assign(row, { ModifiedAt: now }, purpose === 'create' && { CreatedAt: now })
  return row
}

/** Anything but null or an Id, as a deferred link a client sends back, leaves the link as it is. */
function storeLinks(type: EntityType, row: Entity): void {
  for (const { name, isCollection } of type.navigationProperties) {
    const link = row[name]
    if (isCollection && !isObject(link)) continue
    delete row[name]
    if (link === null) row[linkName(name)] = null
    if (isObject(link) && 'Id' in link) row[linkName(name)] = link['Id']
  }
}

/** Turns a row as read into an entity: no hidden columns, a deferred link for each unexpanded one. */
export function presentEntity(
  metadata: Metadata,
  entity: unknown,
  selected: Readonly<Record<string, boolean>>,
): void {
  if (!isObject(entity) || !isObject(entity['__metadata'])) return
  const { uri, type } = entity['__metadata']
  const definition = metadata.getEntityType(String(type).replace(/^.*\./, ''))
  for (const navigation of definition?.navigationProperties ?? []) {
    delete entity[linkName(navigation.name)]
    const linked = entity[navigation.name]
    if (linked === undefined && (selected['*'] || selected[navigation.name])) {
      entity[navigation.name] = { __deferred: { uri: `${String(uri)}/${navigation.name}` } }
    }
    for (const target of targetsOf(linked)) presentEntity(metadata, target, { '*': true })
  }
}

/** The entities of an expanded link, whether it leads to one or to many. */
const targetsOf = (linked: unknown): unknown[] =>
  isObject(linked) && Array.isArray(linked['results']) ? linked['results'] : [linked]
