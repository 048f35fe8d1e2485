/**
 * SKP_ACCESS and SKP_ALLOW: which methods are allowed at which paths; `config/` reads the rules. The
 * parts of a `$batch` are judged in `batch-policy.ts`. Pure.
 */
import type { DenialReason, Failure } from '../errors.ts'
import { effectiveMethods, type MethodSources, queryFields } from './method-override.ts'
import { batchEndpoint, pathOf, pathSegments } from './request-target.ts'

export interface AccessRules {
  /** SKP_ACCESS=read-only */
  readonly readOnly: boolean
  /** SKP_ALLOW; `undefined`: every path. */
  readonly allow: readonly AllowRule[] | undefined
}

export interface AllowRule {
  readonly methods: readonly string[]
  /** One pattern for each segment; `*` in it stands for any characters. */
  readonly segments: readonly string[]
  /** Whether any further segments may follow. */
  readonly open: boolean
}

/** @returns `undefined` if everything is allowed */
export const accessRules = (
  access: 'read-write' | 'read-only',
  allow: AccessRules['allow'],
): AccessRules | undefined =>
  access === 'read-write' && allow === undefined
    ? undefined
    : { readOnly: access === 'read-only', allow }

/** The rules in force, by the names of their settings. */
export const rulesInForce = ({ readOnly, allow }: AccessRules): string =>
  [readOnly ? 'SKP_ACCESS=read-only' : '', allow === undefined ? '' : 'SKP_ALLOW']
    .filter((name) => name !== '')
    .join(' and ')

export const deny = (
  denied: DenialReason,
  detail: string,
  more: Partial<Failure> = {},
): Failure => ({ code: 'not_allowed', denied, detail, ...more })

/**
 * @param request with its path below the base URL, confined to it already, and query
 * @returns `allow`; `batch`, if its parts have to be judged; or why it is refused
 */
export const judgeRequest = (
  rules: AccessRules,
  request: Omit<MethodSources, 'query'> & { readonly path: string },
): 'allow' | 'batch' | Failure => {
  const { method, headers, path: target } = request
  const path = pathOf(target)
  const query = target.slice(path.length + 1)
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

/**
 * @param methods all that the request may be taken for
 * @param path below the base URL, without query
 * @param reading the methods that count as reading
 */
export const judgeAccess = (
  rules: AccessRules,
  methods: readonly string[],
  path: string,
  reading = READING,
): Failure | undefined => {
  const { readOnly, allow } = rules
  const names = rulesInForce(rules)
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
