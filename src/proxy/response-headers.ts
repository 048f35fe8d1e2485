/** Header fields of the API's answer → fields for the caller, values unchanged. Pure. */
import { isHopByHop, nominatedNames } from './hop-by-hop.ts'
import { createNameFilter } from './name-filter.ts'
import type { RequestIds } from './request-ids.ts'

/** Whether the parts lie one behind the other in one piece of memory, as those of one read do. */
const areTogether = (raw: readonly Buffer[]): boolean => {
  const memory = raw[0]?.buffer
  let end = 0
  for (const part of raw) {
    if (part.byteOffset < end || part.buffer !== memory) return false
    end = part.byteOffset + part.length
  }
  return true
}

/**
 * Bytes as they came: a header is latin1 by definition (RFC 9110 §5.5). A head that arrived at once is
 * decoded at once and cut, which costs less than a call into native code for each part.
 */
const decode = (raw: readonly Buffer[]): string[] => {
  const [first] = raw
  const last = raw.at(-1)
  if (first === undefined || last === undefined) return []
  if (!areTogether(raw)) return raw.map((part) => part.toString('latin1'))
  const start = first.byteOffset
  const head = Buffer.from(first.buffer, start, last.byteOffset + last.length - start)
  const text = head.toString('latin1')
  return raw.map(({ byteOffset, length }) =>
    text.slice(byteOffset - start, byteOffset - start + length),
  )
}

/** The client library undoes `chunked` only, and the caller is not told of any other coding. */
class TransferCodingError extends Error {
  readonly code = 'ERR_TRANSFER_CODING'
}

/** `identity` is none (RFC 2616 §3.6). */
const isReadable = (coding: string): boolean => /^(?:chunked|identity)$/i.test(coding.trim())

const mayBeId = createNameFilter(['x-request-id', 'x-correlation-id'])

/**
 * @param raw alternating names and values, as received
 * @returns alternating names and values; the ids are added where the API did not answer with them
 * @throws TransferCodingError if the body cannot be read (RFC 9112 §6.1); undici then gives up
 */
export const responseHeaders = (raw: readonly Buffer[], ids: RequestIds): string[] => {
  const received = decode(raw)
  const nominated = nominatedNames(received)
  const headers: string[] = []
  let hasRequestId = false
  let hasCorrelationId = false
  for (let i = 0; i < received.length; i += 2) {
    const name = received[i] as string
    const value = received[i + 1] as string
    if (isHopByHop(name, nominated)) {
      const isCoded = name.toLowerCase() === 'transfer-encoding' && !isReadable(value)
      if (isCoded) throw new TransferCodingError()
      continue
    }
    if (mayBeId(name)) {
      const lower = name.toLowerCase()
      if (lower === 'x-request-id') hasRequestId = true
      else if (lower === 'x-correlation-id') hasCorrelationId = true
    }
    headers.push(name, value)
  }
  if (!hasRequestId) headers.push('x-request-id', ids.requestId)
  if (!hasCorrelationId) headers.push('x-correlation-id', ids.correlationId)
  return headers
}
