/** SKP_ACCESS and SKP_ALLOW: which methods are allowed at which paths. Pure. */
import type { DenialReason, Failure } from '../errors.ts'
import { effectiveMethods, type MethodSources, queryFields } from './method-override.ts'
import { batchEndpoint, pathSegments } from './request-target.ts'

export interface AccessRules {
  /** SKP_ACCESS=read-only */
  readonly readOnly: boolean
  /** SKP_ALLOW; `undefined`: every path. */
  readonly allow: readonly AllowRule[] | undefined
}

/** @returns `undefined` if everything is allowed */
export const accessRules = (
  access: 'read-write' | 'read-only',
  allow: AccessRules['allow'],
): AccessRules | undefined =>
  access === 'read-write' && allow === undefined
    ? undefined
    : { readOnly: access === 'read-only', allow }

export const deny = (
  denied: DenialReason,
  detail: string,
  more: Partial<Failure> = {},
): Failure => ({
  code: 'not_allowed',
  denied,
  detail,
  ...more,
})

/** The rules in force, by the names of their settings. */
export const rulesInForce = ({ readOnly, allow }: AccessRules): string =>
  [readOnly ? 'SKP_ACCESS=read-only' : '', allow === undefined ? '' : 'SKP_ALLOW']
    .filter((name) => name !== '')
    .join(' and ')

/**
 * @param methods all that the request may be taken for
 * @param path below the base URL, without query
 * @param reading the methods that count as reading
 */
export const judgeAccess = (
  { readOnly, allow }: AccessRules,
  methods: readonly string[],
  path: string,
  reading = READING,
): Failure | undefined => {
  const names = rulesInForce({ readOnly, allow })
  if (allow === undefined) {
    const isReading = methods.every((method) => reading.includes(method))
    return readOnly && !isReading ? methodFailure(names, reading) : undefined
  }
  const segments = pathSegments(path)
  if (segments === undefined) {
    return deny('path', 'SKP_ALLOW has no rule for paths that can be read in two ways.')
  }
  const listed = [...allowedMethods(allow, segments)]
  const allowed = readOnly ? listed.filter((method) => reading.includes(method)) : listed
  if (allowed.length === 0) return deny('path', `Nothing is allowed here by ${names}.`)
  const isAllowed = methods.every((method) => allowed.includes(method))
  return isAllowed ? undefined : methodFailure(names, allowed)
}

interface AccessRequest {
  readonly method: string
  /** Names and values of all fields. */
  readonly headers: MethodSources['headers']
  /** Below the base URL, with query; confined to it already. */
  readonly path: string
}

/**
 * @returns `allow`; `batch`, if its parts have to be judged; or why it is refused
 */
export const judgeRequest = (
  rules: AccessRules,
  { method, headers, path: target }: AccessRequest,
): 'allow' | 'batch' | Failure => {
  const [path = '', ...rest] = target.split('?')
  const query = rest.join('?')
  const names = rulesInForce(rules)
  const endpoint = batchEndpoint(path)
  if (endpoint === 'perhaps') {
    return deny('batch', `By ${names}, a $batch is sent to /$batch, in this spelling.`)
  }
  const methods = effectiveMethods({ method, headers, query })
  if (typeof methods === 'string') return deny('method', `${methods} ${names} would not hold.`)
  if (endpoint === 'yes') return judgeBatchRequest(names, methods, query)
  return judgeAccess(rules, methods, path) ?? 'allow'
}

/* FOLDED: The rules of SKP_ALLOW, applied to a path. Pure; config/allow-rules.ts reads them. */

export interface AllowRule {
  readonly methods: readonly string[]
  /** One pattern for each segment; `*` in it stands for any characters. */
  readonly segments: readonly string[]
  /** Whether any further segments may follow. */
  readonly open: boolean
}

/* FOLDED:
 * A check of something that most callers write as the caller before did, such as the name of this host:
 * what was accepted last is accepted without looking at it again.
 */

/** @param accepts must not change its mind */
export const rememberingLast = (accepts: (text: string) => boolean) => {
  let last: string | undefined
  return (text: string): boolean => {
    if (text === last) return true
    const accepted = accepts(text)
    if (accepted) last = text
    return accepted
  }
}

/** RFC 9110 section 9.2.1, without TRACE. */
const READING: readonly string[] = ['GET', 'HEAD', 'OPTIONS']

const methodFailure = (by: string, methods: readonly string[]): Failure =>
  deny('method', `Allowed here by ${by}: ${methods.join(', ')}.`, { status: 405, allow: methods })

/**
 * @param path segments, decoded
 * @returns every method that some rule allows there
 */
const allowedMethods = (
  rules: readonly AllowRule[],
  path: readonly string[],
): ReadonlySet<string> =>
  new Set(rules.filter((rule) => applies(rule, path)).flatMap(({ methods }) => methods))

const applies = ({ segments, open }: AllowRule, path: readonly string[]): boolean =>
  (open ? path.length >= segments.length : path.length === segments.length) &&
  segments.every((pattern, index) => fits(path[index] as string, pattern))

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

/** A `$batch` is a POST of exactly that path, and its parts are judged once they are known. */
const judgeBatchRequest = (
  names: string,
  methods: readonly string[],
  query: string,
): 'batch' | Failure => {
  if (methods.join() !== 'POST') return methodFailure(names, ['POST'])
  // Apache CXF has `_ctype` and more, which replace header fields.
  const isPlain = queryFields(query).every(([name]) => !name.startsWith('_'))
  return isPlain
    ? 'batch'
    : deny('batch', `By ${names}, no name in the query of a $batch begins with "_".`)
}
