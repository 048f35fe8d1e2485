/**
 * Which links stand for which, seen from one caller: the API's base URLs, and the addresses under
 * which this caller reaches them.
 */
import type { IncomingMessage } from 'node:http'
import { LRUCache } from 'lru-cache'
import { rewriteFieldLine } from '../odata/link-fields.ts'
import { LinkTable } from '../odata/link-rewriter.ts'
import type { Link } from '../odata/link-target.ts'
import { resolveTarget } from '../policy/request-target.ts'
import { mountFor, targetBelow, type Mount } from './mount.ts'

/** SKP_REWRITE_LINKS: `headers` leaves bodies alone. */
export type RewriteMode = 'on' | 'headers' | 'off'

/** One direction. */
export interface Translation {
  readonly table: LinkTable
  /** For a line of a head in a `$batch` body. */
  readonly rewriteLine: (line: string) => string
}

export interface Links {
  readonly toCaller: Translation
  readonly toApi: Translation
}

/** Names and addresses with an optional port; anything else is not copied into an answer. */
const AUTHORITY = /^(?:[\w.~-]+|\[[\da-f:.]+\])(?::\d{1,5})?$/i

/** Callers that name us differently. */
const MAX_AUTHORITIES = 100

/** Where the caller found us. */
const addressOf = ({ socket: { localAddress = '', localPort } }: IncomingMessage): string =>
  `${localAddress.includes(':') ? `[${localAddress}]` : localAddress}:${localPort}`

const isAuthority = (host: string): boolean =>
  AUTHORITY.test(host) && URL.canParse(`http://${host}`)

const apiBase = ({ baseUrl, basePath }: Mount): string => baseUrl.origin + basePath

/** Back from the caller's address to the API's, with or without the API's own path behind it. */
const backLinks = (authority: string, mount: Mount): Link[] => {
  const { prefix, basePath } = mount
  const paths = new Set([prefix, prefix + basePath, ...(basePath === '' ? [] : [basePath])])
  return [...paths].map((path) => ({
    base: new URL(`http://${authority}${path}`),
    replacement: apiBase(mount),
    pathAbsolute: false,
  }))
}

/**
 * The path of a part, relative to the API's base URL where it can be: the one form that every server
 * knows. CAP's adapter for V2 takes a slash in front for its own base path, others for the host's root.
 */
const partTarget = (mount: Mount, target: string): string => {
  const { basePath } = mount
  const resolved = resolveTarget(targetBelow(mount, target), basePath)
  if (!resolved.ok || resolved.path === target) return target
  const { path } = resolved
  const relative = path.slice(basePath.length + 1)
  // A colon in the first segment would make it a scheme (RFC 3986 section 4.2).
  return /^(?:$|\?|[^/?]*:)/.test(relative) ? path : relative
}

/** Requests in a `$batch` may name us by path and `Host`, as requests do (OData V4 part 1 §11.7.2). */
const requestLineRewriter = (authority: string, mount: Mount, mounts: readonly Mount[]) => {
  const { baseUrl } = mount
  return (line: string): string => {
    const [, name = '', host = ''] = /^(host[ \t]*:[ \t]*)(\S+)$/i.exec(line) ?? []
    if (host !== '' && host.toLowerCase() === authority.toLowerCase()) return name + baseUrl.host
    const [, method, target, version] = /^([A-Z]+ )(\/\S*)( HTTP\/\d\.\d)$/.exec(line) ?? []
    if (target === undefined || mountFor(mounts, target) !== mount) return line
    return `${method}${partTarget(mount, target)}${version}`
  }
}

const createLinks = (authority: string, mount: Mount, mounts: readonly Mount[]): Links => {
  // Another key's API may have the same address; its links are not this caller's business.
  const others = mounts.filter((other) => other !== mount && other.tokens === mount.tokens)
  const own = [mount, ...others]
  const toCaller = new LinkTable(
    own.map((other) => ({
      base: other.baseUrl,
      replacement: `http://${authority}${other.prefix}`,
      pathAbsolute: other.basePath !== '' || other.prefix !== '',
    })),
  )
  return {
    toCaller: { table: toCaller, rewriteLine: (line) => rewriteFieldLine(toCaller, line) },
    toApi: {
      table: new LinkTable(own.flatMap((other) => backLinks(authority, other))),
      rewriteLine: requestLineRewriter(authority, mount, mounts),
    },
  }
}

/** Compiled once per mount and per name that callers have for us. */
export class LinkDirectory {
  readonly #mounts: () => readonly Mount[]
  #known: readonly Mount[] | undefined
  #links = new WeakMap<Mount, LRUCache<string, Links>>()

  /** @param mounts what is served now; another array once it changes */
  constructor(mounts: () => readonly Mount[]) {
    this.#mounts = mounts
  }

  linksFor(request: IncomingMessage, mount: Mount): Links {
    const links = this.#linksOf(mount)
    const name = request.headers.host || addressOf(request)
    const known = links.get(name)
    if (known !== undefined) return known
    const authority = isAuthority(name) ? name : addressOf(request)
    const compiled = createLinks(authority, mount, this.#mounts())
    links.set(name, compiled)
    return compiled
  }

  #linksOf(mount: Mount): LRUCache<string, Links> {
    const mounts = this.#mounts()
    if (mounts !== this.#known) {
      this.#known = mounts
      this.#links = new WeakMap()
    }
    const known = this.#links.get(mount)
    if (known !== undefined) return known
    const links = new LRUCache<string, Links>({ max: MAX_AUTHORITIES })
    this.#links.set(mount, links)
    return links
  }
}
