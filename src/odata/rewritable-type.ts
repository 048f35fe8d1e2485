/** Which bodies have links in them, by their media type. Pure. */

export type RewritableType =
  | { readonly kind: 'document' }
  /** `$batch`; `delimiter` stands before each part (RFC 2046 §5.1.1). */
  | { readonly kind: 'multipart'; readonly delimiter: string }

const DOCUMENT: RewritableType = { kind: 'document' }

/** Not `image/svg+xml` and the like: media are no documents of OData. */
const DOCUMENT_TYPES = /^(?:application\/(?:[^\s;]+\+)?(?:json|xml)|text\/(?:json|xml))\s*(?:;|$)/i

/** Others, such as UTF-16, do not spell ASCII as ASCII. */
const CHARSETS = /;\s*charset\s*=\s*"?(?:utf-?8|us-ascii|iso-8859-\d+|windows-125\d)"?\s*(?:;|$)/i

const BOUNDARY = /;\s*boundary\s*=\s*(?:"([^"]{1,70})"|([^\s;"]{1,70}))/i

const isReadable = (contentType: string): boolean =>
  !/;\s*charset\s*=/i.test(contentType) || CHARSETS.test(contentType)

/** @returns `--boundary` of a multipart type; `undefined` for others */
export const delimiterOf = (contentType: string): string | undefined => {
  if (!/^multipart\/mixed\s*;/i.test(contentType)) return undefined
  const boundary = BOUNDARY.exec(contentType)
  return boundary === null ? undefined : `--${boundary[1] ?? boundary[2]}`
}

/** @param contentType value of the field; empty if there is none */
export const rewritableType = (contentType: string): RewritableType | undefined => {
  // Nearly all answers.
  if (contentType === 'application/json') return DOCUMENT
  if (DOCUMENT_TYPES.test(contentType)) return isReadable(contentType) ? DOCUMENT : undefined
  const delimiter = delimiterOf(contentType)
  return delimiter === undefined ? undefined : { kind: 'multipart', delimiter }
}
