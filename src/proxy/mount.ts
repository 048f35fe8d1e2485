/**
 * The base URLs that are served, each under its own prefix, and the choice of one for a request
 * target. Pure.
 */
import type { TokenSource } from '../token/token-source.ts'
import type { Upstream } from './upstream.ts'

export interface Mount {
  /** Empty, or whole segments such as `/management`. */
  readonly prefix: string
  readonly baseUrl: URL
  /** Path of the base URL without trailing slash, such as `/intas/entities/v1`. */
  readonly basePath: string
  readonly upstream: Upstream
  readonly tokens: TokenSource
}

export const basePathOf = (baseUrl: URL): string => baseUrl.pathname.replace(/\/+$/, '')

/** Whole segments only: `/management` is no prefix of `/managements`. */
const isWithin = (target: string, path: string): boolean => {
  if (!target.startsWith(path)) return false
  const next = target[path.length]
  return next === undefined || next === '/' || next === '?'
}

/** The only one with the longest path; several that are equal cannot be told apart. */
const longest = (mounts: readonly Mount[], pathOf: (mount: Mount) => string): Mount | undefined => {
  const length = Math.max(...mounts.map((mount) => pathOf(mount).length))
  const [first, ...others] = mounts.filter((mount) => pathOf(mount).length === length)
  return others.length === 0 ? first : undefined
}

const prefixOf = ({ prefix }: Mount): string => prefix
const basePath = ({ basePath: path }: Mount): string => path

/**
 * By prefix; else by the base path, because path-absolute links of an API name it; else the root.
 *
 * @param target as received, query included
 */
export const mountFor = (mounts: readonly Mount[], target: string): Mount | undefined => {
  const [only] = mounts
  if (mounts.length === 1 && only?.prefix === '') return only
  const root = mounts.find(({ prefix }) => prefix === '')
  return (
    longest(
      mounts.filter(({ prefix }) => prefix !== '' && isWithin(target, prefix)),
      prefixOf,
    ) ??
    longest(
      mounts.filter((mount) => mount.basePath !== '' && isWithin(target, mount.basePath)),
      basePath,
    ) ??
    root
  )
}

/** The target as the mount's base URL sees it: without the prefix, if it has one. */
export const targetBelow = (mount: Mount | undefined, target: string): string => {
  const prefix = mount?.prefix ?? ''
  if (prefix === '' || !isWithin(target, prefix)) return target
  const rest = target.slice(prefix.length)
  return rest.startsWith('/') ? rest : `/${rest}`
}
