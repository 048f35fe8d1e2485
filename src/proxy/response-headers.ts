/** Header fields of the API's answer → fields for the caller, values unchanged. Pure. */
import { isHopByHop, nominatedNames } from './hop-by-hop.ts'
import type { RequestIds } from './request-ids.ts'

/** Bytes as they came: a header is latin1 by definition (RFC 9110 §5.5). */
const decode = (raw: readonly Buffer[]): string[] => raw.map((part) => part.toString('latin1'))

/**
 * @param raw alternating names and values, as received
 * @returns alternating names and values; the ids are added where the API did not answer with them
 */
export const responseHeaders = (raw: readonly Buffer[], ids: RequestIds): string[] => {
  const received = decode(raw)
  const nominated = nominatedNames(received)
  const headers: string[] = []
  let hasRequestId = false
  let hasCorrelationId = false
  for (let i = 0; i < received.length; i += 2) {
    const name = received[i] as string
    const lower = name.toLowerCase()
    if (isHopByHop(lower, nominated)) continue
    if (lower === 'x-request-id') hasRequestId = true
    if (lower === 'x-correlation-id') hasCorrelationId = true
    headers.push(name, received[i + 1] as string)
  }
  if (!hasRequestId) headers.push('x-request-id', ids.requestId)
  if (!hasCorrelationId) headers.push('x-correlation-id', ids.correlationId)
  return headers
}

/** The value of the first field of that name, in lower case; empty if there is none. */
export const fieldValue = (raw: readonly Buffer[], wanted: string): string => {
  const index = raw.findIndex(
    (part, i) => i % 2 === 0 && part.toString('latin1').toLowerCase() === wanted,
  )
  return index === -1 ? '' : (raw[index + 1] as Buffer).toString('latin1')
}
