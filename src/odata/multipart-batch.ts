/** Reads a `$batch` of type multipart/mixed: requests, and changesets with requests. Pure. */
import { demand, demandNoBody, type BatchPart } from './batch-content.ts'
import { fieldValue, readFields } from './header-fields.ts'
import { hasOnly, parseMediaType, type MediaType } from './media-type.ts'
import { demandLength, isBlank, splitHead, splitParts } from './multipart.ts'

const REQUEST_LINE = /^([A-Z]+(?:-[A-Z]+)*) ([\x21-\x7e]+) HTTP\/1\.1$/

/** What a part may say about itself; anything else might mean something to somebody. */
const PART_FIELDS: ReadonlySet<string> = new Set([
  'content-type',
  'content-transfer-encoding',
  'content-id',
  'content-length',
  'mime-version',
])

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

const isRequest = ({ type, parameters }: MediaType): boolean =>
  type === 'application/http' &&
  [...parameters].every(([name, value]) => name === 'msgtype' && value === 'request')

/** @param maySplit whether it may be a changeset, which has no changesets inside */
const readPart = (part: string, maySplit: boolean): readonly BatchPart[] => {
  const [media, content] = openPart(part)
  if (media !== undefined && isRequest(media)) return [readRequest(content)]
  const isChangeset = media?.type === 'multipart/mixed' && maySplit
  demand(isChangeset, 'One of its parts is neither application/http nor a changeset.')
  return readParts(media.parameters, content, false)
}

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
 * @param parameters those of the `Content-Type` of the whole
 * @throws UnreadableError
 */
export const readMultipartBatch = (
  parameters: ReadonlyMap<string, string>,
  body: Buffer,
): readonly BatchPart[] =>
  // One character for each byte, so that lengths are those that the fields tell.
  readParts(parameters, body.toString('latin1'), true)
