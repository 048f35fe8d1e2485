/**
 * The two ids of a request: its own, and the one that correlates it with others across services.
 * Precedence of the correlation fields as in SAP CAP.
 */
import { randomUUID } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'

export interface RequestIds {
  readonly requestId: string
  readonly correlationId: string
}

/** Ids of callers end up in logs and headers; anything odd is replaced instead of repeated. */
const acceptable = (value: string | string[] | undefined): string | undefined =>
  typeof value === 'string' && /^[\w.:;=+/@-]{1,128}$/.test(value) ? value : undefined

export const requestIds = (headers: IncomingHttpHeaders): RequestIds => {
  const given = acceptable(headers['x-request-id']) ?? acceptable(headers['x-vcap-request-id'])
  const requestId = given ?? randomUUID()
  const correlationId =
    acceptable(headers['x-correlation-id']) ?? acceptable(headers['x-correlationid']) ?? requestId
  return { requestId, correlationId }
}
