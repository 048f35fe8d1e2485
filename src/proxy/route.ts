/**
 * The base URLs that are served, each under its own prefix, and the choice of one for a request
 * target. Pure.
 */
import type { TokenSource } from '../token/token-source.ts'
import type { Upstream } from './upstream.ts'

export interface Route {
  /** Empty, or whole segments such as `/management`. */
  readonly prefix: string
  readonly baseUrl: URL
  /** Path of the base URL without trailing slash, such as `/intas/entities/v1`. */
  readonly basePath: string
  readonly upstream: Upstream
  readonly tokens: TokenSource
}

export const basePathOf = (baseUrl: URL): string => baseUrl.pathname.replace(/\/+$/, '')

/**
 * By prefix; else by the base path, because path-absolute links of an API name it; else the root.
 *
 * @param target as received, query included
 */
export const routeFor = (routes: readonly Route[], target: string): Route | undefined => {
  const [only] = routes
  if (routes.length === 1 && only?.prefix === '') return only
  const root = routes.find(({ prefix }) => prefix === '')
  return (
    longest(
      routes.filter(({ prefix }) => prefix !== '' && isWithin(target, prefix)),
      prefixOf,
    ) ??
    longest(
      routes.filter((route) => route.basePath !== '' && isWithin(target, route.basePath)),
      basePath,
    ) ??
    root
  )
}

/** The target as the route's base URL sees it: without the prefix, if it has one. */
export const targetBelow = (route: Route | undefined, target: string): string => {
  const prefix = route?.prefix ?? ''
  if (prefix === '' || !isWithin(target, prefix)) return target
  const rest = target.slice(prefix.length)
  return rest.startsWith('/') ? rest : `/${rest}`
}

const basePath = ({ basePath: path }: Route): string => path

/** The only one with the longest path; several that are equal cannot be told apart. */
const longest = (routes: readonly Route[], pathOf: (route: Route) => string): Route | undefined => {
  const length = Math.max(...routes.map((route) => pathOf(route).length))
  const [first, ...others] = routes.filter((route) => pathOf(route).length === length)
  return others.length === 0 ? first : undefined
}

/** Whole segments only: `/management` is no prefix of `/managements`. */
const isWithin = (target: string, path: string): boolean => {
  if (!target.startsWith(path)) return false
  const next = target[path.length]
  return next === undefined || next === '/' || next === '?'
}

const prefixOf = ({ prefix }: Route): string => prefix
