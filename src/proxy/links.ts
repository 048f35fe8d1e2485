/**
 * Which links stand for which, seen from one caller: the API's base URLs, and the addresses under
 * which this caller reaches them.
 */
import type { IncomingMessage } from 'node:http'
import { LRUCache } from 'lru-cache'
import { LinkTable, rewriteFieldLine } from '../odata/link-rewriter.ts'
import type { Link } from '../odata/link-target.ts'
import { resolveTarget } from '../policy/request-target.ts'
import { routeFor, targetBelow, type Route } from './route.ts'

/** SKP_REWRITE_LINKS: `headers` leaves bodies alone. */
export type RewriteMode = 'on' | 'headers' | 'off'

/** One direction. */
export interface Translation {
  readonly table: LinkTable
  /** For a line of a head in a `$batch` body. */
  readonly rewriteLine: (line: string) => string
}

/** Compiled once per route and per name that callers have for us. */
export class LinkDirectory {
  readonly #routes: () => readonly Route[]
  #known: readonly Route[] | undefined
  #links = new WeakMap<Route, LRUCache<string, Links>>()

  /** @param routes what is served now; another array once it changes */
  constructor(routes: () => readonly Route[]) {
    this.#routes = routes
  }

  linksFor(request: IncomingMessage, route: Route): Links {
    const links = this.#linksOf(route)
    const name = request.headers.host || addressOf(request)
    const known = links.get(name)
    if (known !== undefined) return known
    const authority = isAuthority(name) ? name : addressOf(request)
    const compiled = createLinks(authority, route, this.#routes())
    links.set(name, compiled)
    return compiled
  }

  #linksOf(route: Route): LRUCache<string, Links> {
    const routes = this.#routes()
    if (routes !== this.#known) {
      this.#known = routes
      this.#links = new WeakMap()
    }
    const known = this.#links.get(route)
    if (known !== undefined) return known
    const links = new LRUCache<string, Links>({
      max: MAX_AUTHORITIES,
      maxSize: MAX_BYTES,
      sizeCalculation: ({ toCaller, toApi }) => toCaller.table.bytes + toApi.table.bytes,
    })
    this.#links.set(route, links)
    return links
  }
}

interface Links {
  readonly toCaller: Translation
  readonly toApi: Translation
}

/** Where the caller found us. */
const addressOf = ({ socket: { localAddress = '', localPort } }: IncomingMessage): string =>
  `${localAddress.includes(':') ? `[${localAddress}]` : localAddress}:${localPort}`

const isAuthority = (host: string): boolean =>
  AUTHORITY.test(host) && URL.canParse(`http://${host}`)

const createLinks = (authority: string, route: Route, routes: readonly Route[]): Links => {
  // Another key's API may have the same address; its links are not this caller's business.
  const others = routes.filter((other) => other !== route && other.tokens === route.tokens)
  const own = [route, ...others]
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
      rewriteLine: requestLineRewriter(authority, route, routes),
    },
  }
}

/** Callers that name us differently. */
const MAX_AUTHORITIES = 100

/** Of what is compiled for them: for each of 255 octets, some 10 KB for every route. */
const MAX_BYTES = 4 * 1024 * 1024

/** Names and addresses with an optional port; anything else is not copied into an answer. */
const AUTHORITY = /^(?:[\w.~-]+|\[[\da-f:.]+\])(?::\d{1,5})?$/i

/** Back from the caller's address to the API's, with or without the API's own path behind it. */
const backLinks = (authority: string, route: Route): Link[] => {
  const { prefix, basePath } = route
  const paths = new Set([prefix, prefix + basePath, ...(basePath === '' ? [] : [basePath])])
  return [...paths].map((path) => ({
    base: new URL(`http://${authority}${path}`),
    replacement: apiBase(route),
    pathAbsolute: false,
  }))
}

/** Requests in a `$batch` may name us by path and `Host`, as requests do (OData V4 part 1 §11.7.2). */
const requestLineRewriter = (authority: string, route: Route, routes: readonly Route[]) => {
  const { baseUrl } = route
  return (line: string): string => {
    const [, name = '', host = ''] = /^(host[ \t]*:[ \t]*)(\S+)$/i.exec(line) ?? []
    if (host !== '' && host.toLowerCase() === authority.toLowerCase()) return name + baseUrl.host
    const [, method, target, version] = /^([A-Z]+ )(\/\S*)( HTTP\/\d\.\d)$/.exec(line) ?? []
    if (target === undefined || routeFor(routes, target) !== route) return line
    return `${method}${partTarget(route, target)}${version}`
  }
}

const apiBase = ({ baseUrl, basePath }: Route): string => baseUrl.origin + basePath

/**
 * The path of a part, relative to the API's base URL where it can be: the one form that every server
 * knows. CAP's adapter for V2 takes a slash in front for its own base path, others for the host's root.
 */
const partTarget = (route: Route, target: string): string => {
  const { basePath } = route
  const resolved = resolveTarget(targetBelow(route, target), basePath)
  if (!resolved.ok || resolved.path === target) return target
  const { path } = resolved
  const relative = path.slice(basePath.length + 1)
  // A colon in the first segment would make it a scheme (RFC 3986 section 4.2).
  return /^(?:$|\?|[^/?]*:)/.test(relative) ? path : relative
}
