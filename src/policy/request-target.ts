/**
 * Request target → path on the API, byte for byte, or the reason it is refused; and paths below the
 * base URL as rules see them. Pure.
 * Confinement: whatever an upstream may decode or normalise, the result stays below the base path.
 * RFC 9112 §3.2 (origin-form only), RFC 3986 §5.2.4 (dot segments).
 */

type RequestTarget =
  { readonly ok: true; readonly path: string } | { readonly ok: false; readonly reason: string }

/**
 * @param target as received, query included
 * @param basePath path of the base URL without trailing slash, such as `/intas/entities/v1`
 */
export const resolveTarget = (target: string, basePath: string): RequestTarget => {
  if (FORBIDDEN.test(target)) return refuse('The request target has a character no URL may have.')
  const path = pathOf(target)
  const fault = pathFault(path)
  if (fault !== undefined) return refuse(fault)
  // Links of the API itself are path-absolute: they carry the base path already.
  return { ok: true, path: isBelow(path, basePath) ? target : basePath + target }
}

/**
 * The segments of a path, each decoded once after splitting; a slash at the end makes none.
 *
 * @param path below the base URL, without query
 * @returns `undefined` where servers could disagree about the segments
 */
export const pathSegments = (path: string): readonly string[] | undefined => {
  const trimmed = path.replace(/^\//, '').replace(/\/$/, '')
  const segments = trimmed === '' ? [] : trimmed.split('/').map(decode)
  return segments.every(isClean) ? segments : undefined
}

/**
 * Whether a path leads to the batch endpoint of the service: certainly, certainly not, or perhaps
 * (`/%24batch`, `/$batch/`, `/$batch;x`, `/Vendor/$batch`).
 *
 * @param path below the base URL, without query
 */
export const batchEndpoint = (path: string): 'yes' | 'no' | 'perhaps' => {
  if (path === '/$batch') return 'yes'
  return readings(path).some((reading) => IN_DISGUISE.test(reading)) ? 'perhaps' : 'no'
}

/** Without its query. */
export const pathOf = (target: string): string => {
  const query = target.indexOf('?')
  return query === -1 ? target : target.slice(0, query)
}

/** Whether nobody can read anything else into the path of an accepted target; most are of this kind. */
export const isPlainTarget = (target: string): boolean => isPlain(pathOf(target))

/** Has neither escapes nor dot segments, of one dot or two: to every server it means what is written. */
const isPlain = (path: string): boolean => !path.includes('%') && !path.includes('/.')

/** Anything but visible ASCII; backslash and fragment, which no request target has. */
const FORBIDDEN = /[^\x21-\x7e]|[\\#]/

const refuse = (reason: string): RequestTarget => ({ ok: false, reason })

const pathFault = (path: string): string | undefined => {
  if (!path.startsWith('/')) return 'The request target must begin with a slash.'
  if (path.startsWith('//')) return 'The path must not begin with two slashes.'
  if (isPlain(path)) return undefined
  return /%(?![0-9a-f]{2})/i.test(path)
    ? 'The path has a % that begins no escape.'
    : decodedFault(path)
}

const isBelow = (path: string, basePath: string): boolean =>
  path === basePath || path.startsWith(`${basePath}/`)

/** Looks at the path as every server would see it that decodes it once, twice, …. */
const decodedFault = (path: string): string | undefined => {
  let decoded = path
  for (let round = 0; round <= DECODE_ROUNDS; round += 1) {
    if (CLIMBS.test(decoded)) return 'The path has a ".." segment.'
    if (hasControl(decoded)) return 'The path has an encoded control character.'
    const next = decodeAscii(decoded)
    if (next === decoded) return undefined
    decoded = next
  }
  return 'The path is encoded too many times.'
}

/** How often a chain of servers may decode a path: twice happens, four times is paranoia. */
const DECODE_ROUNDS = 4

/** A `..` segment, ended by what some server takes for the end of one (`..;x`, `..?x`). */
const CLIMBS = /(?:^|[/\\])\.\.(?:[/\\;?# ]|$)/

/** NUL, line breaks and other controls, which only an attack puts into a path. */
const hasControl = (text: string): boolean => {
  for (let i = 0; i < text.length; i += 1) {
    const code = text.charCodeAt(i)
    if (code < 0x20 || code === 0x7f) return true
  }
  return false
}

/** Undoes one level of escapes, of ASCII only: structure is ASCII. */
const decodeAscii = (text: string): string =>
  text.replace(/%([0-7][0-9a-f])/gi, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  )

/** Empty, and so not clean, for escapes that are no UTF-8. */
const decode = (segment: string): string => {
  try {
    return decodeURIComponent(segment)
  } catch {
    return ''
  }
}

const isClean = (segment: string): boolean =>
  !/^\.{1,2}$/.test(segment) && readings(segment).every((reading) => CLEAN.test(reading))

/** A text as it is, and as servers see it that decode it once more, twice more, …. */
const readings = (text: string): readonly string[] => {
  const all = [text]
  for (let round = 0; round < DECODE_ROUNDS; round += 1) all.push(decodeAscii(all.at(-1) as string))
  return all
}

/**
 * Letters, digits and what OData puts between them; anything goes inside the quotes of a key. A
 * slash, semicolon, question mark or escape outside of them ends the segment for some server.
 */
const CLEAN = /^(?:[\p{L}\p{M}\p{N}_$.~!@:,=()*+&-]|'[^']*')+$/u

const IN_DISGUISE = /(?:^|[/\\])[\s.]*\$batch/i
