// What a real V2 service does and SAP's mock server does not: links, server-assigned ids, deferred
// links, V2 counts, 204 and 404 answers, the function import. Each function extends one loaded
// service in place, so that single requests and the parts of a $batch behave alike.
import { randomUUID } from 'node:crypto'
import mockServer from '@sap-ux/fe-mockserver-core'
import type { ODataRequest } from '@sap-ux/fe-mockserver-core'
import type { DataAccess } from '@sap-ux/fe-mockserver-core/dist/data/dataAccess.js'
import {
  type Entity,
  type EntityType,
  isObject,
  linkName,
  presentEntity,
  toRow,
} from './entity-links.ts'
import { pageOf } from './entity-pages.ts'
import { ODataError } from './odata-error.ts'

/** The model has no foreign keys: without these the mock server cannot follow a link. */
export function defineLinks(data: DataAccess): void {
  for (const { entityType } of data.getMetadata().getEntitySets()) {
    for (const navigation of entityType.navigationProperties) {
      if (navigation.isCollection) continue
      navigation.referentialConstraint.push({
        sourceTypeName: entityType.fullyQualifiedName,
        sourceProperty: linkName(navigation.name),
        targetTypeName: navigation.targetTypeName,
        targetProperty: 'Id',
      })
    }
  }
}

/** @param publishedAt base URL of the service, once it is known */
export function completeReads(data: DataAccess, publishedAt: () => string): void {
  const read = data.getData.bind(data)
  data.getData = async (request: ODataRequest, ...rest) => {
    await requireTarget(data, request)
    const result: unknown = await read(request, ...rest)
    const wantsCount = queryOf(request).get('$inlinecount') === 'allpages'
    const count = wantsCount ? String(request.dataCount) : undefined
    Object.assign(request, { dataCount: count })
    // A single property comes in a V4 envelope.
    if (isObject(result) && '@odata.context' in result) {
      return { [String(request.queryPath.at(-1)?.path)]: result['value'] }
    }
    // The mock server takes $top=0 for "no limit".
    if (Array.isArray(result) && request.maxElements === 0) return []
    for (const entity of Array.isArray(result) ? result : [result]) {
      presentEntity(data.getMetadata(), entity, request.selectedProperties)
    }
    return Array.isArray(result) ? pageOf(result, request.url, publishedAt(), count) : result
  }
}

export function completeWrites(data: DataAccess): void {
  const create = data.createData.bind(data)
  const update = data.updateData.bind(data)
  const remove = data.deleteData.bind(data)

  data.createData = async (request, body: unknown) => {
    const type = await requireTarget(data, request)
    const row = toRow(type, body, 'create')
    if (type.keys.by_name('Id')) row['Id'] = randomUUID()
    // Copied, because the mock server hands out the very row it stores.
    const entity = structuredClone(await create(request, row)) as Entity
    if (isObject(entity['__metadata'])) {
      request.addResponseHeader('Location', String(entity['__metadata']['uri']))
    }
    presentEntity(data.getMetadata(), entity, request.selectedProperties)
    return entity
  }
  data.updateData = async (request, body: unknown) => {
    const type = await requireTarget(data, request)
    await update(request, toRow(type, body, request.method === 'PUT' ? 'replace' : 'merge'))
    request.statusCode = 204
  }
  data.deleteData = async (request) => {
    await requireTarget(data, request)
    await remove(request)
  }
}

/** The type a request addresses; refuses an unknown set or entity, which the mock server would not. */
async function requireTarget(data: DataAccess, request: ODataRequest): Promise<EntityType> {
  const [{ path, keys } = { path: '', keys: {} }, ...segments] = request.queryPath
  const type = data.getMetadata().getEntitySet(path)?.entityType
  if (!type) throw new ODataError(404, '404', `No entity set ${path}`)
  if (segments.length > 0 && request.method !== 'GET') {
    throw new ODataError(501, '501', 'This demo writes to entity sets only, not by way of a link')
  }
  const [key] = Object.values(keys)
  if (key === undefined) {
    if (['GET', 'POST'].includes(request.method)) return type
    throw new ODataError(405, '405', `${request.method} needs the key of one entity`)
  }
  const set = await data.getMockEntitySet(path)
  const rows: Entity[] = await set.performGET({}, true, request.tenantId, request)
  if (rows.some((row) => row[type.keys[0]?.name ?? ''] === key)) return type
  throw new ODataError(404, '404', `No ${path} with key ${String(key)}`)
}

export function answerFunctionImport(data: DataAccess): void {
  const act = data.performAction.bind(data)
  data.performAction = async (request, body) => {
    if (request.queryPath[0]?.path !== 'InterfaceRequestReport') return act(request, body)
    const literal = queryOf(request).get('RequestLineItemId') ?? ''
    const id = literal.replace(/^'(.*)'$/, '$1')
    const url = `/RequestLineItem('${encodeURIComponent(id)}')?$expand=Request,IntegrationFlow`
    const item = await data.getData(new mockServer.ODataRequest({ url, method: 'GET' }, data))
    const report = `${item.Request?.Name}: ${item.IntegrationFlow?.Name} is ${item.Status}`
    return { InterfaceRequestReport: report }
  }
}

const queryOf = ({ url }: ODataRequest) => new URL(url, 'https://demo.invalid').searchParams
