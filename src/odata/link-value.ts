/**
 * Whether a position in a document is the beginning of a link, judged by what stands before it:
 * `"uri": "`, `href="` or `<id>`. Only there is a path without scheme and host known to be a link.
 * Pure.
 */

/** How far back is looked at most; a link behind a longer start tag is not known as one. */
export const LOOK_BEHIND_BYTES = 256

/** @param bytes what stands before the position, as far as it is known */
export const isLinkValue = (bytes: Buffer): boolean => {
  const before = bytes[bytes.length - 1]
  if (before === QUOTE || before === APOSTROPHE) return isQuotedLink(bytes, bytes.length - 1)
  const end = skipSpace(bytes, bytes.length)
  return bytes[end] === GREATER && isElementLink(bytes, end)
}

const isQuotedLink = (bytes: Buffer, quoteAt: number): boolean => {
  const sign = skipSpace(bytes, quoteAt)
  if (bytes[sign] === EQUALS) {
    return isXmlName(nameBefore(bytes, skipSpace(bytes, sign) + 1))
  }
  if (bytes[sign] !== COLON) return false
  const end = skipSpace(bytes, sign)
  return bytes[end] === QUOTE && isJsonName(nameBefore(bytes, end))
}

/** @param tagEnd position of the `>` of the start tag */
const isElementLink = (bytes: Buffer, tagEnd: number): boolean => {
  const start = bytes.lastIndexOf(LESS, tagEnd)
  if (start === -1 || bytes[start + 1] === SLASH || bytes[tagEnd - 1] === SLASH) return false
  const [name] = bytes.toString('latin1', start + 1, tagEnd).split(/[\s/]/, 1)
  return isXmlName(name as string)
}

/** @returns the position of the last byte before `at` that is no white space */
const skipSpace = (bytes: Buffer, at: number): number => {
  let i = at - 1
  while (isSpace(bytes[i])) i -= 1
  return i
}

const isSpace = (byte: number | undefined): boolean =>
  byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09

/** The name that ends before `end`. */
const nameBefore = (bytes: Buffer, end: number): string => {
  let start = end
  while (start > 0 && isNameByte(bytes[start - 1] as number)) start -= 1
  return bytes.toString('latin1', start, end)
}

const isNameByte = (byte: number): boolean => byte > 0x20 && byte !== LESS && byte !== QUOTE

const QUOTE = 0x22
const APOSTROPHE = 0x27
const SLASH = 0x2f
const COLON = 0x3a
const LESS = 0x3c
const EQUALS = 0x3d
const GREATER = 0x3e

const isXmlName = (name: string): boolean => LINK_NAMES.has(name.slice(name.indexOf(':') + 1))

const isJsonName = (name: string): boolean => {
  const control = name.lastIndexOf('@')
  return control === -1
    ? LINK_NAMES.has(name)
    : CONTROL_INFORMATION.has(name.slice(control + 1).replace(/^odata\./, ''))
}

/** Names of OData V2 and V4 JSON, and of Atom and its service documents. */
const LINK_NAMES: ReadonlySet<string> = new Set([
  '__delta',
  '__next',
  'base',
  'content_src',
  'edit_media',
  'href',
  'id',
  'media_src',
  'src',
  'uri',
])

/** V4 control information, `@odata.id` or `Vendor@navigationLink` (OData JSON Format 4.01, §4.6). */
const CONTROL_INFORMATION: ReadonlySet<string> = new Set([
  'associationLink',
  'context',
  'deltaLink',
  'editLink',
  'id',
  'mediaEditLink',
  'mediaReadLink',
  'navigationLink',
  'nextLink',
  'readLink',
])
