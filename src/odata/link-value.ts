/**
 * Whether a position in a document is the beginning of a link, judged by what stands before it:
 * `"uri": "`, `href="` or `<id>`. Only there is a path without scheme and host known to be a link.
 * Pure.
 */

/** How far back is looked at most; a link behind a longer start tag is not known as one. */
export const LOOK_BEHIND_BYTES = 256

/** Whether a link may begin right behind this byte: a first look, which most positions do not pass. */
export const mayPrecede = (byte: number | undefined): boolean =>
  byte === QUOTE || byte === APOSTROPHE || byte === GREATER || isSpace(byte)

/** @param bytes what stands before the position, as far as it is known */
export const isLinkValue = (bytes: Buffer): boolean => {
  const before = bytes[bytes.length - 1]
  if (before === QUOTE || before === APOSTROPHE) return isQuotedLink(bytes, bytes.length - 1)
  const end = skipSpace(bytes, bytes.length)
  return bytes[end] === GREATER && isElementLink(bytes, end)
}

const isQuotedLink = (bytes: Buffer, quoteAt: number): boolean => {
  const sign = skipSpace(bytes, quoteAt)
  if (bytes[sign] === EQUALS) return isAttributeLink(bytes, skipSpace(bytes, sign) + 1)
  if (bytes[sign] !== COLON) return false
  const end = skipSpace(bytes, sign)
  return bytes[end] === QUOTE && isMemberLink(bytes, end)
}

/** @param end of the name, of which no more is read than it takes to know: names may be all there is */
const isAttributeLink = (bytes: Buffer, end: number): boolean => {
  let local = -1
  let start = end
  for (; start > 0 && isNameByte(bytes[start - 1] as number); start -= 1) {
    if (local === -1 && end - start > MAX_NAME) return false
    if (bytes[start - 1] !== COLON) continue
    // There is one prefix at most.
    if (local !== -1) return false
    local = start
  }
  return isName(LINK_NAMES, bytes, local === -1 ? start : local, end)
}

/** Likewise. */
const isMemberLink = (bytes: Buffer, end: number): boolean => {
  let start = end
  for (; start > 0 && isNameByte(bytes[start - 1] as number); start -= 1) {
    if (end - start > MAX_NAME) return false
    if (bytes[start - 1] === AT) return isName(CONTROL_INFORMATION, bytes, start, end)
  }
  return isName(LINK_NAMES, bytes, start, end)
}

/** @param tagEnd position of the `>` of the start tag */
const isElementLink = (bytes: Buffer, tagEnd: number): boolean => {
  const start = bytes.lastIndexOf(LESS, tagEnd)
  if (start === -1 || bytes[start + 1] === SLASH || bytes[tagEnd - 1] === SLASH) return false
  let local = start + 1
  let end = local
  for (; end < tagEnd && bytes[end] !== SLASH && !isSpace(bytes[end]); end += 1) {
    if (bytes[end] === COLON && local === start + 1) local = end + 1
  }
  return isName(LINK_NAMES, bytes, local, end)
}

/** @returns the position of the last byte before `at` that is no white space */
const skipSpace = (bytes: Buffer, at: number): number => {
  let i = at - 1
  while (isSpace(bytes[i])) i -= 1
  return i
}

const isSpace = (byte: number | undefined): boolean =>
  byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09

const isNameByte = (byte: number): boolean => byte > 0x20 && byte !== LESS && byte !== QUOTE

const AT = 0x40
const QUOTE = 0x22
const APOSTROPHE = 0x27
const SLASH = 0x2f
const COLON = 0x3a
const LESS = 0x3c
const EQUALS = 0x3d
const GREATER = 0x3e

const isName = (names: ReadonlySet<string>, bytes: Buffer, start: number, end: number): boolean =>
  end - start <= MAX_NAME && names.has(bytes.toString('latin1', start, end))

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
const CONTROL_INFORMATION: ReadonlySet<string> = new Set(
  [
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
  ].flatMap((name) => [name, `odata.${name}`]),
)

/** The longest of them. */
const MAX_NAME = 'odata.associationLink'.length
