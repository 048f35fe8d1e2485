/**
 * The proxies that the environment names for connections outwards: HTTPS_PROXY, HTTP_PROXY and
 * NO_PROXY, as curl reads them. Lower-case names come first, as they do there. Pure.
 */
import { BlockList, isIP } from 'node:net'

export interface OutboundProxy {
  /** Scheme, host and port, without the credential. */
  readonly origin: string
  /** Value of `Proxy-Authorization`, if the URL of the proxy has a credential. */
  readonly authorization: string | undefined
  /** The variable that names it. */
  readonly variable: string
}

/** The proxy on the way to a URL; `undefined`: there is none. */
export type ProxyFor = (url: URL) => OutboundProxy | undefined

export interface OutboundProxies {
  readonly proxyFor: ProxyFor
  /** Must not be seen in a log. */
  readonly secrets: readonly string[]
  readonly problems: readonly string[]
}

type Environment = Readonly<Record<string, string | undefined>>

export const loadProxies = (environment: Environment): OutboundProxies => {
  const noProxy = (read(environment, 'NO_PROXY')?.value ?? '')
    .toLowerCase()
    .split(/[\s,]+/)
    .filter((entry) => entry !== '')
  const named = [read(environment, 'HTTPS_PROXY'), read(environment, 'HTTP_PROXY')]
  const [https, http] = named.map((variable) => variable && parse(variable))
  const problems = named.flatMap((variable) =>
    variable === undefined || parse(variable) !== undefined
      ? []
      : [`${variable.name}: must be the URL of an http or https proxy`],
  )
  return {
    proxyFor(url) {
      const found = url.protocol === 'https:' ? https : http
      return found === undefined || direct(url, noProxy) ? undefined : found.proxy
    },
    secrets: [https, http]
      .flatMap((found) => [found?.password ?? '', found?.proxy.authorization?.slice(6) ?? ''])
      .filter(({ length }) => length >= MIN_SECRET),
    problems,
  }
}

/** The host of a URL as sockets want it: `[::1]` → `::1` */
export const bareHost = (host: string): string => host.replace(/^\[(.*)\]$/, '$1')

/** The port that is written, or else that of the scheme. */
export const portOf = ({ port, protocol }: Pick<URL, 'port' | 'protocol'>): number =>
  Number(port || (protocol === 'https:' ? 443 : 80))

interface Variable {
  readonly name: string
  readonly value: string
}

/** An empty variable counts as unset. */
const read = (environment: Environment, name: string): Variable | undefined =>
  [name.toLowerCase(), name]
    .map((name) => ({ name, value: environment[name]?.trim() ?? '' }))
    .find(({ value }) => value !== '')

/** Without a scheme it is that of a proxy without TLS, as for curl. */
const parse = ({ name, value }: Variable) => {
  try {
    const url = new URL(/^[a-z][\w+.-]*:\/\//i.test(value) ? value : `http://${value}`)
    if (!/^https?:$/.test(url.protocol)) return undefined
    return { proxy: proxyOf(url, name), password: passwordOf(url) }
  } catch {
    // Its text, which has the value in it, is nobody's business.
    return undefined
  }
}

const direct = (url: URL, noProxy: readonly string[]): boolean =>
  LOOPBACK.test(url.hostname) || noProxy.some((entry) => entry === '*' || matches(entry, url))

/** Shorter ones would blot out ordinary words, and protect nothing. */
const MIN_SECRET = 8

const proxyOf = (url: URL, variable: string): OutboundProxy => {
  const credential = `${decodeURIComponent(url.username)}:${passwordOf(url)}`
  const authorization =
    credential === ':' ? undefined : `Basic ${Buffer.from(credential).toString('base64')}`
  return { origin: url.origin, authorization, variable }
}

const passwordOf = ({ password }: URL): string => decodeURIComponent(password)

/** What is on this machine is never another machine's business. */
const LOOPBACK = /^(?:localhost|.*\.localhost|127(?:\.\d{1,3}){3}|\[::1\])$/

/** `host`, `.domain`, `*.domain`, an address or a network, each but the last with or without a port. */
const matches = (entry: string, url: URL): boolean => {
  const host = bareHost(url.hostname)
  const [, network, bits] = /^(.*)\/(\d+)$/.exec(entry) ?? []
  if (network !== undefined) return isIP(host) !== 0 && isWithin(host, network, bits as string)
  // More than one colon outside brackets is an address.
  const [, name = entry, port] = /^(\[.*\]|[^:]*):(\d+)$/.exec(entry) ?? []
  if (port !== undefined && port !== String(portOf(url))) return false
  const wanted = bareHost(name.replace(/^\*?\./, ''))
  return host === wanted || (isIP(host) === 0 && host.endsWith(`.${wanted}`))
}

const isWithin = (host: string, network: string, bits: string): boolean => {
  const list = new BlockList()
  try {
    list.addSubnet(bareHost(network), Number(bits), familyOf(bareHost(network)))
    return list.check(host, familyOf(host))
  } catch {
    return false
  }
}

const familyOf = (address: string): 'ipv4' | 'ipv6' => (isIP(address) === 6 ? 'ipv6' : 'ipv4')
