/**
 * Request target → path on the API, byte for byte, or the reason it is refused. Pure.
 * Confinement: whatever an upstream may decode or normalise, the result stays below the base path.
 * RFC 9112 §3.2 (origin-form only), RFC 3986 §5.2.4 (dot segments).
 */
export type RequestTarget =
  { readonly ok: true; readonly path: string } | { readonly ok: false; readonly reason: string }

const refuse = (reason: string): RequestTarget => ({ ok: false, reason })

/** What the HTTP grammar allows in a path and query, and obs-text that browsers never send. */
const FORBIDDEN = /[^\x21-\x7e]|[\\#]/

/** Encoded NUL, line breaks and other controls have no place in a URL path. */
const ENCODED_CONTROL = /%(?:[01][0-9a-f]|7f)/i

/** How often an upstream chain may decode a path: twice happens, four times is paranoia. */
const DECODE_ROUNDS = 4

/** Whether some way of decoding `path` yields a `..` segment, path parameters (`..;x`) included. */
const climbs = (path: string): boolean => {
  let decoded = path
  for (let round = 0; round <= DECODE_ROUNDS; round += 1) {
    if (/(?:^|[/\\])\.\.(?:[/\\;]|$)/.test(decoded)) return true
    const next = decoded.replace(/%([2-7][0-9a-f])/gi, (_, hex: string) =>
      String.fromCharCode(Number.parseInt(hex, 16)),
    )
    if (next === decoded) return false
    decoded = next
  }
  // Still changing after so many rounds: nested on purpose.
  return true
}

const pathFault = (path: string): string | undefined => {
  if (!path.startsWith('/')) return 'The request target must begin with a slash.'
  if (path.startsWith('//')) return 'The path must not begin with two slashes.'
  // Most paths have nothing that decoding could change.
  if (!path.includes('%') && !path.includes('..')) return undefined
  if (/%(?![0-9a-f]{2})/i.test(path)) return 'The path has a % that begins no escape.'
  if (ENCODED_CONTROL.test(path)) return 'The path has an encoded control character.'
  return climbs(path) ? 'The path has a ".." segment.' : undefined
}

const isBelow = (path: string, basePath: string): boolean =>
  path === basePath || path.startsWith(`${basePath}/`)

/**
 * @param target as received, query included
 * @param basePath path of the base URL without trailing slash, such as `/intas/entities/v1`
 */
export const resolveTarget = (target: string, basePath: string): RequestTarget => {
  if (FORBIDDEN.test(target)) return refuse('The request target has a character no URL may have.')
  const query = target.indexOf('?')
  const path = query === -1 ? target : target.slice(0, query)
  const fault = pathFault(path)
  if (fault !== undefined) return refuse(fault)
  // Links of the API itself are path-absolute: they carry the base path already.
  return { ok: true, path: isBelow(path, basePath) ? target : basePath + target }
}
