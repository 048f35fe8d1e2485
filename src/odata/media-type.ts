/** Media types, as batches and links need them, and the JSON in which OData reports an error. Pure. */

/** A `Content-Type` value in the narrow form that every server reads alike. */
export interface MediaType {
  /** In lower case. */
  readonly type: string
  /** Names in lower case, no name twice; quotes removed. */
  readonly parameters: ReadonlyMap<string, string>
}

/** @returns `undefined` for what some parser might read differently */
export const parseMediaType = (value: string): MediaType | undefined => {
  const [first = '', ...rest] = value.split(';')
  const type = TYPE.exec(first)?.[1]
  if (type === undefined) return undefined
  const parameters = new Map<string, string>()
  for (const piece of rest) {
    const [, name, token, quoted] = PARAMETER.exec(piece) ?? []
    if (name === undefined || parameters.has(name.toLowerCase())) return undefined
    parameters.set(name.toLowerCase(), (token ?? quoted) as string)
  }
  return { type: type.toLowerCase(), parameters }
}

/** Whether there are no parameters but those, and no charset but UTF-8. */
export const hasOnly = (
  parameters: ReadonlyMap<string, string>,
  allowed: readonly string[],
): boolean =>
  [...parameters].every(([name, value]) =>
    name === 'charset' ? /^utf-8$/i.test(value) : allowed.includes(name),
  )

/** A body that may have links in it. */
export type RewritableType =
  | { readonly kind: 'document' }
  /** `$batch`; `delimiter` stands before each part (RFC 2046 §5.1.1). */
  | { readonly kind: 'multipart'; readonly delimiter: string }

/** @param contentType value of the field; empty if there is none */
export const rewritableType = (contentType: string): RewritableType | undefined => {
  // Nearly all answers.
  if (contentType === 'application/json') return DOCUMENT
  if (DOCUMENT_TYPES.test(contentType)) return isReadable(contentType) ? DOCUMENT : undefined
  const delimiter = delimiterOf(contentType)
  return delimiter === undefined ? undefined : { kind: 'multipart', delimiter }
}

/** @returns `--boundary` of a multipart type; `undefined` for others */
export const delimiterOf = (contentType: string): string | undefined => {
  if (!/^multipart\/mixed\s*;/i.test(contentType)) return undefined
  const boundary = BOUNDARY.exec(contentType)
  return boundary === null ? undefined : `--${boundary[1] ?? boundary[2]}`
}

/**
 * The JSON error bodies of OData: V2 wraps the text in `{lang, value}`, V4 has it plain
 * (OData JSON Format 4.01, section 21.1).
 */
export const errorDocument = (code: string, message: string, version: 'V2' | 'V4'): string =>
  JSON.stringify({
    error: { code, message: version === 'V4' ? message : { lang: 'en', value: message } },
  })

/** V4 requests name their version in a field that V2 does not know. */
export const requestedVersion = (headers: { readonly [name: string]: unknown }): 'V2' | 'V4' =>
  headers['odata-version'] !== undefined || headers['odata-maxversion'] !== undefined ? 'V4' : 'V2'

const TYPE = /^[ \t]*([a-z0-9.+-]+\/[a-z0-9.+-]+)[ \t]*$/i

/** Without `(`, which begins a comment for a mail library, and without escapes and separators. */
const PARAMETER = /^[ \t]*([a-z0-9.-]+)=(?:([\w'+.-]+)|"([\w'+.=:/?-]+)")[ \t]*$/i

const DOCUMENT: RewritableType = { kind: 'document' }

/** Not `image/svg+xml` and the like: media are no documents of OData. */
const DOCUMENT_TYPES = /^(?:application\/(?:[^\s;]+\+)?(?:json|xml)|text\/(?:json|xml))\s*(?:;|$)/i

const isReadable = (contentType: string): boolean =>
  !/;\s*charset\s*=/i.test(contentType) || CHARSETS.test(contentType)

/** Others, such as UTF-16, do not spell ASCII as ASCII. */
const CHARSETS = /;\s*charset\s*=\s*"?(?:utf-?8|us-ascii|iso-8859-\d+|windows-125\d)"?\s*(?:;|$)/i

const BOUNDARY = /;\s*boundary\s*=\s*(?:"([^"]{1,70})"|([^\s;"]{1,70}))/i
