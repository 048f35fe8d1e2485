// The 27 entity sets, served from the files in service/ by SAP's OData mock server, which does the
// protocol. Changes stay in memory; the files are only read.
import type { IncomingMessage, ServerResponse } from 'node:http'
import { fileURLToPath } from 'node:url'
import mockServer from '@sap-ux/fe-mockserver-core'
import type { DataAccess } from '@sap-ux/fe-mockserver-core/dist/data/dataAccess.js'
import { answerFunctionImport, completeReads, completeWrites, defineLinks } from './v2-behaviour.ts'

export const BASE_PATH = '/intas/entities/v1'

const file = (name: string) => fileURLToPath(new URL(`service/${name}`, import.meta.url))
const ignore = () => {}
const logger = { silly: ignore, verbose: ignore, info: ignore, warn: ignore, error: ignore }

type Handle = (request: IncomingMessage, response: ServerResponse) => void

export interface EntitiesService {
  /** Sets where the service is reached, for the absolute addresses in its answers. */
  readonly publishAt: (baseUrl: string) => void
  readonly handle: Handle
}

export async function loadEntitiesService(): Promise<EntitiesService> {
  const service = {
    urlPath: BASE_PATH,
    metadataPath: file('metadata.xml'),
    mockdataPath: file('data'),
    logger,
    noETag: true,
    watch: false,
  }
  const server = new mockServer.default({ services: [service], logger })
  await server.isReady
  const data = server.getServiceRegistry().getService(BASE_PATH) as DataAccess
  defineLinks(data)
  completeReads(data, () => service.urlPath)
  completeWrites(data)
  answerFunctionImport(data)
  const route = server.getRouter() as (...args: [...Parameters<Handle>, () => void]) => void
  return {
    // The mock server builds every address from this path, so an origin in front makes it absolute.
    publishAt: (baseUrl) => {
      service.urlPath = baseUrl
    },
    handle: (request, response) => route(request, response, () => response.writeHead(404).end()),
  }
}
