/**
 * Reads a `$batch` of type multipart/mixed (requests, and changesets with requests) in the one
 * layout that every reader understands alike; and what a `$batch` of any type is made of. Pure.
 */
import { hasOnly, type MediaType, parseMediaType } from './media-type.ts'

/** Name, as written, and value, which may have blanks around it. */
export type HeaderField = readonly [name: string, value: string]

export interface BatchPart {
  /** In capitals. */
  readonly method: string
  /** As written: relative, path-absolute or absolute, with its query. */
  readonly target: string
  /** No name twice. */
  readonly headers: readonly HeaderField[]
}

/** More than clients send; without limits, one `$batch` could keep the proxy busy for a second. */
export const MAX_REQUESTS = 1_000

/** The message is a sentence about "it", the `$batch`, and repeats nothing of it. */
export class UnreadableError extends Error {}

/** @throws UnreadableError unless the condition holds */
export function demand(condition: boolean, otherwise: string): asserts condition {
  if (!condition) throw new UnreadableError(otherwise)
}

/** Servers ignore the body of such requests, or take it for another request. */
export const demandNoBody = (method: string, hasBody: boolean): void => {
  const mayHave = method !== 'GET' && method !== 'HEAD'
  demand(mayHave || !hasBody, 'One of its GET or HEAD requests has a body.')
}

/**
 * Each must be one line (RFC 9110 section 5), and none there twice.
 *
 * @throws UnreadableError
 */
export const demandClean = (fields: readonly HeaderField[]): void => {
  demand(fields.length <= MAX_FIELDS, `A head in it has more than ${MAX_FIELDS} fields.`)
  const names = new Set(fields.map(([name]) => name.toLowerCase()))
  const areLines = fields.every(([name, value]) => NAME.test(name) && VALUE.test(value))
  demand(areLines, 'A header field in it is malformed.')
  demand(names.size === fields.length, 'A header field in it is repeated.')
}

/**
 * @param parameters those of the `Content-Type` of the whole
 * @throws UnreadableError
 */
export const readMultipartBatch = (
  parameters: ReadonlyMap<string, string>,
  body: Buffer,
): readonly BatchPart[] =>
  // One character for each byte, so that lengths are those that the fields tell.
  readParts(parameters, body.toString('latin1'), true)

const MAX_FIELDS = 100
const NAME = /^[!#$%&'*+.^_`|~0-9a-z-]+$/i
const VALUE = /^[\t\x20-\x7e\x80-\uffff]*$/

/** @param maySplit whether there may be changesets, which have no changesets inside */
const readParts = (
  parameters: ReadonlyMap<string, string>,
  text: string,
  maySplit: boolean,
): readonly BatchPart[] => {
  const boundary = parameters.get('boundary') ?? ''
  const isPlain = boundary !== '' && boundary.length <= 70 && hasOnly(parameters, ['boundary'])
  demand(isPlain, 'A multipart in it has not just a boundary of at most 70 characters.')
  return splitParts(text, boundary).flatMap((part) => readPart(part, maySplit))
}

/**
 * RFC 2046 section 5.1.1 without what it makes optional: no preamble or epilogue but line breaks,
 * no blanks behind a delimiter, CRLF only. The delimiter may occur nowhere else, not even inside a
 * line, so that a reader with another idea of lines finds the same parts.
 *
 * @returns what is between the delimiters
 * @throws UnreadableError for any other layout
 */
const splitParts = (text: string, boundary: string): readonly string[] => {
  const [before = '', ...pieces] = text.split(`--${boundary}`)
  const end = pieces.pop() ?? ''
  demand(end.startsWith('--') && isBlank(end.slice(2)), 'It does not end with a delimiter.')
  demand(pieces.length <= MAX_REQUESTS, `It has more than ${MAX_REQUESTS} parts.`)
  demand(pieces.length > 0 && isBlank(before), 'It does not begin with a part.')
  const inOrder = pieces.every(
    (piece) => piece.length >= 4 && piece.startsWith('\r\n') && piece.endsWith('\r\n'),
  )
  demand(inOrder, 'Its parts are not cleanly delimited.')
  return pieces.map((piece) => piece.slice(2, -2))
}

/** Line breaks only. */
const isBlank = (text: string): boolean => text.replaceAll('\r\n', '') === ''

const readPart = (part: string, maySplit: boolean): readonly BatchPart[] => {
  const [media, content] = openPart(part)
  if (media !== undefined && isRequest(media)) return [readRequest(content)]
  const isChangeset = media?.type === 'multipart/mixed' && maySplit
  demand(isChangeset, 'One of its parts is neither application/http nor a changeset.')
  return readParts(media.parameters, content, false)
}

/** Type and content of a part. */
const openPart = (part: string): readonly [media: MediaType | undefined, content: string] => {
  const [head, content] = splitHead(part) ?? ['', '']
  const fields = readFields(head.split('\r\n'))
  const isUsual = fields.every(([name]) => PART_FIELDS.has(name.toLowerCase()))
  demand(isUsual, 'One of its parts has an unusual header field.')
  const encoding = fieldValue(fields, 'content-transfer-encoding') ?? 'binary'
  const isBinary = /^[ \t]*binary[ \t]*$/i.test(encoding)
  demand(isBinary, 'One of its parts has a Content-Transfer-Encoding other than binary.')
  demandLength(fieldValue(fields, 'content-length'), content)
  return [parseMediaType(fieldValue(fields, 'content-type') ?? ''), content]
}

/** Head without its last line break, and body; `undefined` without a blank line between them. */
const splitHead = (text: string): readonly [head: string, body: string] | undefined => {
  const end = text.indexOf('\r\n\r\n')
  return end === -1 ? undefined : [text.slice(0, end), text.slice(end + 4)]
}

/**
 * @param lines continuation lines and blanks before a colon make them unreadable
 * @throws UnreadableError
 */
const readFields = (lines: readonly string[]): readonly HeaderField[] => {
  const fields = lines.slice(0, MAX_FIELDS + 1).map((line): HeaderField => {
    const colon = line.indexOf(':')
    return colon === -1 ? ['', ''] : [line.slice(0, colon), line.slice(colon + 1)]
  })
  demandClean(fields)
  return fields
}

/** What a part may say about itself; anything else might mean something to somebody. */
const PART_FIELDS: ReadonlySet<string> = new Set([
  'content-type',
  'content-transfer-encoding',
  'content-id',
  'content-length',
  'mime-version',
])

/** @param name in lower case */
const fieldValue = (fields: readonly HeaderField[], name: string): string | undefined =>
  fields.find(([field]) => field.toLowerCase() === name)?.[1]

/**
 * A reader that trusts the length must find the same text.
 *
 * @param length value of a `Content-Length` field, if there is one
 * @throws UnreadableError
 */
const demandLength = (length: string | undefined, text: string): void => {
  const digits = /^[ \t]*(\d{1,9})[ \t]*$/.exec(length ?? String(text.length))?.[1]
  const value = Number(digits)
  const isTrue = value <= text.length && isBlank(text.slice(value))
  demand(isTrue, 'A Content-Length in it is wrong.')
}

const isRequest = ({ type, parameters }: MediaType): boolean =>
  type === 'application/http' &&
  [...parameters].every(([name, value]) => name === 'msgtype' && value === 'request')

const readRequest = (text: string): BatchPart => {
  // The delimiter's own line break may stand for the blank line of a request without body.
  const [head, body] = splitHead(text) ?? [text.replace(/\r\n$/, ''), '']
  demand(text.length > head.length, 'One of its requests is cut off.')
  const [line = '', ...lines] = head.split('\r\n')
  const [, method = '', target = ''] = REQUEST_LINE.exec(line) ?? []
  demand(method !== '', 'One of its request lines is not like "GET Vendor HTTP/1.1".')
  const headers = readFields(lines)
  const isChunked = fieldValue(headers, 'transfer-encoding') !== undefined
  demand(!isChunked, 'One of its requests has a Transfer-Encoding.')
  demandLength(fieldValue(headers, 'content-length'), body)
  demandNoBody(method, !isBlank(body))
  return { method, target, headers }
}

const REQUEST_LINE = /^([A-Z]+(?:-[A-Z]+)*) ([\x21-\x7e]+) HTTP\/1\.1$/
