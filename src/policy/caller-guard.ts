/**
 * Who may call at all. The proxy lends its rights to every caller, so a web page that reaches it
 * through somebody's browser must get nothing, under another name (DNS rebinding) or its own
 * (cross-site requests). Pure.
 */
import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import type { Failure } from '../errors.ts'
import { deny } from './access-policy.ts'

export interface CallerRules {
  /**
   * SKP_ALLOWED_HOSTS in lower case, with port or without, which means any; `*` is every host. May have
   * a `HostKind`.
   */
  readonly allowedHosts: readonly string[]
  /** SKP_CALLER_TOKEN */
  readonly callerToken: string | undefined
}

/** Carries SKP_CALLER_TOKEN; never passed on. */
export const CALLER_TOKEN_FIELD = 'x-caller-token'

/** @returns a function that says why a caller is refused, or `undefined` */
export const createCallerGuard = ({ allowedHosts, callerToken }: CallerRules) => {
  const isAllowedHost = hostGuard(allowedHosts)
  const hasToken = tokenGuard(callerToken)
  return (headers: IncomingHttpHeaders): Failure | undefined => {
    if (!isAllowedHost(headers.host ?? '')) return WRONG_HOST
    if (isCrossSite(headers)) return CROSS_SITE
    return hasToken(headers) ? undefined : WRONG_TOKEN
  }
}

/** @returns a function that says whether the value of `Host` is allowed */
export const hostGuard = (allowed: CallerRules['allowedHosts']): ((host: string) => boolean) => {
  if (allowed.includes('*')) return () => true
  const names = new Set(allowed.filter((name) => !isKind(name)))
  const kinds = allowed.filter(isKind).map((kind) => HOST_KINDS[kind])
  return (host) => {
    const lower = host.toLowerCase()
    const name = lower.replace(/:\d{1,5}$/, '')
    if (names.has(lower) || names.has(name)) return true
    return kinds.some((kind) => kind.test(name))
  }
}

/** In words that no host can be. */
export type HostKind = keyof typeof HOST_KINDS

const HOST_KINDS = {
  // No page can be at an address of somebody else and yet come from its own server. Nothing else looks
  // so: no top-level domain is a number.
  'any address': /^(?:(?:\d{1,3}\.){3}\d{1,3}|\[[\da-f]*:[\da-f:.]*\])$/,
  // Such as a service of Compose: nobody can register one to point it here.
  'any name without a dot': /^[a-z\d_-]+$/,
} as const

const isKind = (name: string): name is HostKind => Object.hasOwn(HOST_KINDS, name)

/** In a time that tells nothing about the token, not even its length. */
const tokenGuard = (expected: string | undefined): ((headers: IncomingHttpHeaders) => boolean) => {
  if (expected === undefined) return () => true
  const wanted = hash(expected)
  return (headers) => timingSafeEqual(hash(String(headers[CALLER_TOKEN_FIELD] ?? '')), wanted)
}

const hash = (text: string): Buffer => createHash('sha256').update(text).digest()

const WRONG_HOST = deny('host', 'SKP_ALLOWED_HOSTS does not name the Host of the request.')
const CROSS_SITE = deny('origin', 'A browser sent it for a page of another origin.')
const WRONG_TOKEN = deny('caller_token', `SKP_CALLER_TOKEN is not in ${CALLER_TOKEN_FIELD}.`)

/**
 * What the browser says itself comes first (Fetch Metadata): a gateway in between may have changed
 * `Host`, but no page can set `Sec-Fetch-Site`. Programs send neither field.
 */
const isCrossSite = (headers: IncomingHttpHeaders): boolean => {
  const site = headers['sec-fetch-site']
  if (site !== undefined) return site !== 'same-origin' && site !== 'none'
  return headers.origin !== undefined && !isSameHost(headers.origin, headers.host ?? '')
}

const isSameHost = (origin: string, host: string): boolean => {
  const [, scheme, originHost] = ORIGIN.exec(origin) ?? []
  if (scheme === undefined || originHost === undefined) return false
  return withoutPort(scheme, originHost) === withoutPort(scheme, host)
}

const ORIGIN = /^(https?):\/\/([^\s/?#@,]+)$/

/** The port that a scheme has anyway is not always written. */
const withoutPort = (scheme: string, host: string): string =>
  host.toLowerCase().replace(scheme === 'https' ? /:443$/ : /:80$/, '')
