/** Reads a `$batch` of type application/json. Pure. */
import {
  demand,
  demandNoBody,
  MAX_REQUESTS,
  type BatchPart,
  type HeaderField,
} from './batch-content.ts'
import { demandClean } from './header-fields.ts'
import { hasRepeatedNames } from './json-keys.ts'
import { hasOnly } from './media-type.ts'

type JsonObject = Readonly<Record<string, unknown>>

const FORMAT_PARAMETERS = [
  'odata.metadata',
  'odata.streaming',
  'metadata',
  'streaming',
  'ieee754compatible',
]

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

const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const isField = (field: [string, unknown]): field is [string, string] =>
  typeof field[1] === 'string'

const readHeaders = (value: unknown): readonly HeaderField[] => {
  const fields = Object.entries(isObject(value) ? value : {})
  const areFields = (value === undefined || isObject(value)) && fields.every(isField)
  demand(areFields, 'The headers of one of its requests are no object of texts.')
  demandClean(fields)
  return fields
}

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

/**
 * @param parameters those of the `Content-Type`
 * @throws UnreadableError
 * @throws TypeError, SyntaxError for bytes that are no UTF-8 or no JSON
 */
export const readJsonBatch = (
  parameters: ReadonlyMap<string, string>,
  bytes: Buffer,
): readonly BatchPart[] => {
  demand(hasOnly(parameters, FORMAT_PARAMETERS), 'Its Content-Type has an unusual parameter.')
  // A byte order mark stays, and is no JSON.
  const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
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
