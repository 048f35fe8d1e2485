/**
 * The methods and targets of the parts of a `$batch`: multipart (OData V2; V4.01 Protocol, section
 * 11.7.7) or JSON (V4.01 JSON Format, section 19). Pure.
 *
 * It does not read as much as it can but as little as it must: what another server might read
 * differently is not read at all. Whoever refuses what is not read cannot be misled by it.
 */
import { UnreadableError, type BatchPart } from './batch-content.ts'
import { readJsonBatch } from './json-batch.ts'
import { parseMediaType } from './media-type.ts'
import { readMultipartBatch } from './multipart-batch.ts'

export type BatchContent =
  | { readonly ok: true; readonly parts: readonly BatchPart[] }
  /** A sentence about "it", the `$batch`, which repeats nothing of it. */
  | { readonly ok: false; readonly reason: string }

const partsOf = (contentType: string, body: Buffer): readonly BatchPart[] => {
  const { type, parameters } = parseMediaType(contentType) ?? {}
  if (parameters !== undefined && type === 'multipart/mixed') {
    return readMultipartBatch(parameters, body)
  }
  if (parameters !== undefined && type === 'application/json')
    return readJsonBatch(parameters, body)
  throw new UnreadableError(
    'Its Content-Type is neither a plain multipart/mixed nor application/json.',
  )
}

/**
 * Changesets and atomicity groups are gone through: their requests are parts like all others.
 *
 * @param contentType value of the only `Content-Type` field of the `$batch`
 * @returns every request in the `$batch`, at least one, or why it is not read
 */
export const readBatch = (contentType: string, body: Buffer): BatchContent => {
  try {
    return { ok: true, parts: partsOf(contentType, body) }
  } catch (error) {
    // Other errors are those of the decoders for UTF-8 and JSON.
    const known = error instanceof UnreadableError
    return { ok: false, reason: known ? error.message : 'It is no JSON in UTF-8.' }
  }
}
