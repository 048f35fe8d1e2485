/**
 * The methods and targets of the parts of a `$batch`: multipart (OData V2; V4.01 Protocol, section
 * 11.7.7) or JSON (V4.01 JSON Format, section 19). Pure.
 *
 * It does not read as much as it can but as little as it must: what another server might read
 * differently is not read at all. Whoever refuses what is not read cannot be misled by it.
 */
import { hasOnly, parseMediaType } from './media-type.ts'
import {
  type BatchPart,
  demand,
  demandClean,
  demandNoBody,
  type HeaderField,
  MAX_REQUESTS,
  readMultipartBatch,
  UnreadableError,
} from './multipart-batch.ts'

export type BatchContent =
  | { readonly ok: true; readonly parts: readonly BatchPart[] }
  /** A sentence about "it", the `$batch`, which repeats nothing of it. */
  | { readonly ok: false; readonly reason: string }

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

const partsOf = (contentType: string, body: Buffer): readonly BatchPart[] => {
  const { type, parameters } = parseMediaType(contentType) ?? {}
  if (parameters !== undefined && type === 'multipart/mixed') {
    return readMultipartBatch(parameters, body)
  }
  if (parameters !== undefined && type === 'application/json') {
    return readJsonBatch(parameters, body)
  }
  throw new UnreadableError(
    'Its Content-Type is neither a plain multipart/mixed nor application/json.',
  )
}

/**
 * @param parameters those of the `Content-Type`
 * @throws UnreadableError
 * @throws TypeError, SyntaxError for bytes that are no UTF-8 or no JSON
 */
const readJsonBatch = (
  parameters: ReadonlyMap<string, string>,
  bytes: Buffer,
): readonly BatchPart[] => {
  demand(hasOnly(parameters, FORMAT_PARAMETERS), 'Its Content-Type has an unusual parameter.')
  // A byte order mark stays, and is no JSON.
  const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  const isSmall = text.length <= MAX_CONTAINERS || containersIn(bytes) <= MAX_CONTAINERS
  demand(isSmall, `It has more than ${MAX_CONTAINERS} objects and arrays.`)
  const document: unknown = JSON.parse(text)
  demand(
    !hasRepeatedNames(text),
    'An object in it has the same name twice, or too many objects inside.',
  )
  const { requests, ...others } = isObject(document) ? document : {}
  const isPlain = Array.isArray(requests) && requests.length > 0 && Object.keys(others).length === 0
  demand(isPlain, 'It is no object with "requests" and nothing else.')
  demand(requests.length <= MAX_REQUESTS, `It has more than ${MAX_REQUESTS} requests.`)
  return requests.map(readRequest)
}

/** Far more than entities have, and as many as are read in a moment; a byte or two are enough for one. */
const MAX_CONTAINERS = 100_000

/** @param json valid or not; other bytes than ASCII are never part of a bracket in UTF-8 */
const containersIn = (json: Buffer): number => {
  let count = 0
  let isText = false
  for (let at = 0; at < json.length; at += 1) {
    const byte = json[at]
    if (byte === QUOTE) isText = !isText
    else if (byte === BACKSLASH) at += 1
    else if (!isText && (byte === BRACKET || byte === BRACE)) count += 1
  }
  return count
}

const QUOTE = 0x22
const BRACKET = 0x5b
const BACKSLASH = 0x5c
const BRACE = 0x7b

const FORMAT_PARAMETERS = [
  'odata.metadata',
  'odata.streaming',
  'metadata',
  'streaming',
  'ieee754compatible',
]

/**
 * Of two values with the same name some parsers take the first and some the last. Objects nested
 * deeper than any entity count as such, because nobody looks into them.
 *
 * @param json valid JSON (RFC 8259 section 4 leaves the meaning of such objects open)
 */
const hasRepeatedNames = (json: string): boolean => {
  const open: Set<unknown>[] = []
  for (const [token, text, colon] of json.matchAll(TOKEN)) {
    if (token === '{') {
      open.push(new Set())
      if (open.length > MAX_DEPTH) return true
    } else if (token === '}') open.pop()
    else if (colon !== undefined) {
      const names = open.at(-1) as Set<unknown>
      // Escapes can spell the same name differently.
      const name: unknown = text?.includes('\\') === true ? JSON.parse(text) : text?.slice(1, -1)
      if (names.has(name)) return true
      names.add(name)
    }
  }
  return false
}

/** A string, with the colon that makes it a name, or a bracket. */
const TOKEN = /("[^"\\]*(?:\\.[^"\\]*)*")(\s*:)?|[{}]/g

const MAX_DEPTH = 100

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const readRequest = (value: unknown): BatchPart => {
  const isUsual = isObject(value) && Object.keys(value).every((name) => MEMBERS.has(name))
  demand(isUsual, 'One of its requests has a member that no request has.')
  const { method, url: target, body } = value
  const isNamed = typeof method === 'string' && METHOD.test(method) && typeof target === 'string'
  demand(isNamed, 'One of its requests has no method or no url.')
  demandNoBody(method.toUpperCase(), body !== undefined && body !== null)
  // Methods are not case-sensitive here.
  return { method: method.toUpperCase(), target, headers: readHeaders(value['headers']) }
}

/** Every member a request may have; another spelling might be one to a lenient parser. */
const MEMBERS: ReadonlySet<string> = new Set([
  'id',
  'method',
  'url',
  'headers',
  'body',
  'atomicityGroup',
  'dependsOn',
  'if',
])

/** ASCII, because other alphabets have letters whose capitals are ASCII. */
const METHOD = /^[a-z]+(?:-[a-z]+)*$/i

const readHeaders = (value: unknown): readonly HeaderField[] => {
  const fields = Object.entries(isObject(value) ? value : {})
  const areFields =
    (value === undefined || isObject(value)) &&
    fields.every((field): field is [string, string] => typeof field[1] === 'string')
  demand(areFields, 'The headers of one of its requests are no object of texts.')
  demandClean(fields)
  return fields
}
