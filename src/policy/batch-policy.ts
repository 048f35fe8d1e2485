/** SKP_ACCESS and SKP_ALLOW for the parts of a `$batch`. Pure. */
import type { Failure } from '../errors.ts'
import type { BatchContent } from '../odata/batch-reader.ts'
import type { BatchPart } from '../odata/multipart-batch.ts'
import { type AccessRules, deny, judgeAccess, rulesInForce } from './access-policy.ts'
import { effectiveMethods } from './method-override.ts'
import { batchEndpoint, pathOf, resolveTarget } from './request-target.ts'

/** Where the API is. */
interface ServiceRoot {
  readonly baseUrl: URL
  /** Its path, without trailing slash. */
  readonly basePath: string
}

/** @returns `undefined` if the rules allow every part */
export const judgeBatch = (
  rules: AccessRules,
  root: ServiceRoot,
  content: BatchContent,
): Failure | undefined => {
  const names = rulesInForce(rules)
  if (!content.ok) {
    return deny('batch', `By ${names}, this $batch is refused. ${content.reason}`)
  }
  for (const [index, part] of content.parts.entries()) {
    const fault = judgePart(rules, root, part)
    if (fault !== undefined) {
      return deny('batch', `By ${names}, request ${index + 1} of the $batch is refused. ${fault}`)
    }
  }
  return undefined
}

const judgePart = (rules: AccessRules, root: ServiceRoot, part: BatchPart): string | undefined => {
  const resolved = resolvePart(part, root)
  if (typeof resolved === 'string') return resolved
  const { path, query } = resolved
  if (batchEndpoint(path) !== 'no') return 'It is a $batch itself.'
  // `$1` stands for what another request made, wherever that is.
  if (rules.allow !== undefined && isReference(path)) return 'It refers to another request.'
  const methods = effectiveMethods({ ...part, query })
  if (typeof methods === 'string') return methods
  return judgeAccess(rules, methods, path, READING_IN_BATCH)?.detail
}

/** Path below the base URL, and query; or why the target is refused. */
const resolvePart = (
  { target, headers }: BatchPart,
  root: ServiceRoot,
): { readonly path: string; readonly query: string } | string => {
  const host = headers.find(([name]) => name.toLowerCase() === 'host')?.[1].trim()
  if (host !== undefined && host !== root.baseUrl.host) return 'It names another host.'
  const below = belowBase(target, root)
  if (below === undefined) return 'It leads out of the base URL.'
  const resolved = resolveTarget(below.startsWith('/') ? below : `/${below}`, '')
  if (!resolved.ok) return resolved.reason
  const path = pathOf(resolved.path)
  return { path, query: resolved.path.slice(path.length + 1) }
}

/** What is below the base URL, as the API would resolve it; `undefined`: elsewhere, or unclear. */
const belowBase = (target: string, { baseUrl, basePath }: ServiceRoot): string | undefined => {
  if (target.startsWith('/')) return after(basePath, target)
  // A scheme, or what some server could take for one.
  if (/^[a-z][a-z0-9+.-]*:/i.test(target)) return after(baseUrl.origin + basePath, target)
  // An empty path would mean the $batch itself.
  return /^[^?]/.test(target) ? `/${target}` : undefined
}

/** What follows the base, which ends at a whole segment; `undefined`: it does not begin with it. */
const after = (base: string, target: string): string | undefined => {
  if (!target.startsWith(base)) return undefined
  const rest = target.slice(base.length)
  return rest === '' || rest.startsWith('/') || rest.startsWith('?') ? rest : undefined
}

/** Any name may be a reference, but `$metadata` without more is the description of the service. */
const isReference = (path: string): boolean => /^\/(?:\$|%24)/.test(path) && path !== '/$metadata'

/** A read-only `$batch` is one of retrievals; no client sends anything else that reads. */
const READING_IN_BATCH = ['GET']
