/** The rules of SKP_ALLOW, applied to a path. Pure; config/allow-rules.ts reads them. */

export interface AllowRule {
  readonly methods: readonly string[]
  /** One pattern for each segment; `*` in it stands for any characters. */
  readonly segments: readonly string[]
  /** Whether any further segments may follow. */
  readonly open: boolean
}

/** In linear time: a pattern must not become a means to stop the proxy. */
const fits = (segment: string, pattern: string): boolean => {
  const [first = '', ...pieces] = pattern.split('*')
  const last = pieces.pop()
  if (last === undefined) return segment === pattern
  const end = segment.length - last.length
  if (!segment.startsWith(first) || !segment.endsWith(last)) return false
  let position = first.length
  for (const piece of pieces) {
    const found = segment.indexOf(piece, position)
    if (found === -1) return false
    position = found + piece.length
  }
  return position <= end
}

const applies = ({ segments, open }: AllowRule, path: readonly string[]): boolean =>
  (open ? path.length >= segments.length : path.length === segments.length) &&
  segments.every((pattern, index) => fits(path[index] as string, pattern))

/**
 * @param path segments, decoded
 * @returns every method that some rule allows there
 */
export const allowedMethods = (
  rules: readonly AllowRule[],
  path: readonly string[],
): ReadonlySet<string> =>
  new Set(rules.filter((rule) => applies(rule, path)).flatMap(({ methods }) => methods))
