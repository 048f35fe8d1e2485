/** One server that `check` connects to: name, TCP, TLS; or a tunnel through a proxy, and TLS in it. */
import type { LookupAddress } from 'node:dns'
import { once } from 'node:events'
import { connect as connectPlain, isIP, type Socket } from 'node:net'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import type { Config } from '../../config/load-config.ts'
import { systemCode } from '../../errors.ts'
import {
  bareHost,
  type OutboundProxy,
  portOf,
  type ProxyFor,
} from '../../outbound/proxy-environment.ts'
import { REFUSED_CERTIFICATE } from '../../token/client-credentials-grant.ts'
import { openTunnel } from '../../outbound/tunnel.ts'
import { type ChainLink, chainOf, dnsAdvice, tcpAdvice, tlsAdvice, tunnelAdvice } from './advice.ts'
import { EXIT } from '../process.ts'

export type Lookup = (host: string) => Promise<readonly LookupAddress[]>

/** What the steps that need the network share. */
export interface Online {
  readonly config: Config
  /** PEM certificates to trust; `undefined`: those of Node. */
  readonly ca: readonly string[] | undefined
  /** `service-key-proxy/1.2.3` */
  readonly userAgent: string
  /** Aborts when the time for all steps is over. */
  readonly deadline: AbortSignal
  readonly lookup: Lookup
  /** The proxy on the way to a server. */
  readonly proxyFor: ProxyFor
  /** Milliseconds since 1970. */
  readonly wall: () => number
}

export interface Place {
  readonly name: 'token server' | 'API'
  readonly url: URL
  /** For the TLS handshake, PEM. */
  readonly client: { readonly cert?: string; readonly key?: string }
}

export interface Finding {
  readonly place: Place
  readonly proxy?: OutboundProxy
  readonly addresses: readonly string[]
  readonly chain: readonly ChainLink[]
  /** `null`: no TLS, or none yet. */
  readonly protocol: string | null
  readonly exitCode: number
  readonly problem?: string
}

export const reach = (online: Online, place: Place): Promise<Finding> => {
  const signal = AbortSignal.any([online.deadline, AbortSignal.timeout(CONNECT_LIMIT_MS)])
  const proxy = online.proxyFor(place.url)
  return proxy === undefined
    ? reachDirectly(online, place, signal)
    : reachThrough(proxy, online, place, signal)
}

/** One host may not take all the time there is. */
const CONNECT_LIMIT_MS = 5_000

const reachDirectly = async (
  online: Online,
  place: Place,
  signal: AbortSignal,
): Promise<Finding> => {
  let found: readonly LookupAddress[]
  try {
    found = await unlessAborted(signal, online.lookup(bareHost(place.url.hostname)))
  } catch (error) {
    const problem = dnsAdvice(systemCode(error))
    const nothing = { addresses: [], chain: [], protocol: null }
    return { place, ...nothing, exitCode: EXIT.connection, problem }
  }
  const addresses = found.map(({ address }) => address)
  const socket = open(place, found, online.ca)
  const finding = await greet(socket, { place, addresses }, online, signal)
  socket.destroy()
  return finding
}

/** The names are the proxy's to resolve. */
const reachThrough = async (
  proxy: OutboundProxy,
  { ca, wall }: Online,
  place: Place,
  signal: AbortSignal,
): Promise<Finding> => {
  const parts = { place, proxy, addresses: [] }
  const { url } = place
  let tunnel: Socket
  try {
    tunnel = await openTunnel(proxy, {
      host: bareHost(url.hostname),
      port: portOf(url),
      ca,
      signal,
    })
  } catch (error) {
    const problem = tunnelAdvice(error as Error, proxy.variable)
    return { ...parts, chain: [], protocol: null, exitCode: EXIT.connection, problem }
  }
  const finding =
    url.protocol === 'http:'
      ? { ...parts, chain: [], protocol: null, exitCode: EXIT.stopped }
      : await shakeHands(
          connectTls({ socket: tunnel, ...tlsOptions(place, ca) }),
          parts,
          wall(),
          signal,
        )
  tunnel.destroy()
  return finding
}

/** Rejects as soon as `signal` aborts, for work that cannot be ended. */
const unlessAborted = <T>(signal: AbortSignal, work: Promise<T>): Promise<T> =>
  new Promise((resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
    work.then(resolve, reject)
  })

const open = (place: Place, addresses: readonly LookupAddress[], ca: Online['ca']) => {
  const { url } = place
  const target = {
    host: bareHost(url.hostname),
    port: portOf(url),
    autoSelectFamily: true,
    // Those found before; with families to select from, all of them are asked for.
    lookup: (_host: string, _options: unknown, done: (...results: never[]) => void) =>
      (done as (error: null, all: readonly LookupAddress[]) => void)(null, addresses),
  }
  if (url.protocol === 'http:') return connectPlain(target)
  return connectTls({ ...target, ...tlsOptions(place, ca) })
}

const greet = async (
  socket: Socket,
  parts: Parts,
  online: Online,
  signal: AbortSignal,
): Promise<Finding> => {
  const none = { ...parts, chain: [], protocol: null }
  try {
    await once(socket, 'connect', { signal })
  } catch (error) {
    const problem = tcpAdvice(systemCode(error), portOf(parts.place.url))
    return { ...none, exitCode: EXIT.connection, problem }
  }
  return isTls(socket)
    ? shakeHands(socket, parts, online.wall(), signal)
    : { ...none, exitCode: EXIT.stopped }
}

const tlsOptions = ({ url, client }: Place, ca: Online['ca']) => {
  const host = bareHost(url.hostname)
  return {
    ...client,
    ...(ca === undefined ? {} : { ca: [...ca] }),
    rejectUnauthorized: true,
    servername: isIP(host) === 0 ? host : '',
    ALPNProtocols: ['http/1.1'],
  }
}

type Parts = Pick<Finding, 'place' | 'addresses' | 'proxy'>

const isTls = (socket: Socket): socket is TLSSocket => 'encrypted' in socket

const shakeHands = async (
  socket: TLSSocket,
  parts: Parts,
  wall: number,
  signal: AbortSignal,
): Promise<Finding> => {
  const chain = watchChain(socket, wall)
  try {
    await once(socket, 'secureConnect', { signal })
    const protocol = socket.getProtocol()
    return { ...parts, chain: chain(), protocol, exitCode: EXIT.stopped }
  } catch (error) {
    const code = systemCode(error)
    const refused = parts.place.client.cert !== undefined && REFUSED_CERTIFICATE.test(code)
    return {
      ...parts,
      chain: chain(),
      protocol: null,
      exitCode: refused ? EXIT.credential : EXIT.tls,
      problem: tlsAdvice(code, refused),
    }
  }
}

/** Also that of a server that is not trusted: comes before Node gives its verdict. */
const watchChain = (socket: TLSSocket, wall: number) => {
  let chain: readonly ChainLink[] = []
  socket.prependListener('secure', () => {
    chain = chainOf(socket.getPeerCertificate(true), wall)
  })
  return () => chain
}
