/**
 * The step of `check` that connects to the token server and to the API: name, TCP and TLS of each; or
 * a tunnel through a proxy, and TLS in it.
 */
import type { LookupAddress } from 'node:dns'
import { once } from 'node:events'
import { isIP, type Socket } from 'node:net'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import { systemClock, withLimit } from '../../clock.ts'
import type { Config } from '../../config/load-config.ts'
import { systemCode } from '../../errors.ts'
import { connectToFirst, unlessAborted } from '../../outbound/connection.ts'
import {
  bareHost,
  type OutboundProxy,
  portOf,
  type ProxyFor,
} from '../../outbound/proxy-environment.ts'
import { openTunnel } from '../../outbound/tunnel.ts'
import type { ServiceKey } from '../../service-key/service-key.ts'
import { REFUSED_CERTIFICATE } from '../../token/certificate-refusal.ts'
import { EXIT } from '../process.ts'
import { type ChainLink, chainOf, dnsAdvice, tcpAdvice, tlsAdvice, tunnelAdvice } from './advice.ts'
import type { StepReport } from './report.ts'

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

/** Both hosts at once, so that the problems of both are known. */
export const checkConnection = async (online: Online, key: ServiceKey): Promise<StepReport> => {
  const findings = await Promise.all(placesOf(key).map((place) => reach(online, place)))
  const failed = findings.filter(({ problem }) => problem !== undefined)
  return {
    step: 'connection',
    exitCode: failed[0]?.exitCode ?? EXIT.stopped,
    summary:
      failed.length === 0
        ? 'token server and API can be reached'
        : `no connection to the ${failed.map(({ place }) => place.name).join(' and the ')}`,
    problems: failed.map(({ place, problem }) => `${titleOf(place)}: ${problem}`),
    warnings: findings.flatMap(warningsOf),
    rows: findings.flatMap(rowsOf),
    data: {
      hosts: findings.map(({ place, addresses, proxy, chain, protocol }) => ({
        name: place.name,
        host: place.url.host,
        addresses,
        proxy: proxy && { origin: proxy.origin, variable: proxy.variable },
        protocol,
        chain,
      })),
    },
  }
}

interface Place {
  readonly name: 'token server' | 'API'
  readonly url: URL
  /** For the TLS handshake, PEM. */
  readonly client: { readonly cert?: string; readonly key?: string }
}

const placesOf = ({ tokenEndpoint, baseUrl, authentication }: ServiceKey): readonly Place[] => {
  const client =
    authentication.method === 'tls_client_auth'
      ? { cert: authentication.certificate, key: authentication.privateKey }
      : {}
  return [
    { name: 'token server', url: tokenEndpoint, client },
    { name: 'API', url: baseUrl, client: {} },
  ]
}

interface Finding {
  readonly place: Place
  readonly proxy?: OutboundProxy
  readonly addresses: readonly string[]
  readonly chain: readonly ChainLink[]
  /** `null`: no TLS, or none yet. */
  readonly protocol: string | null
  readonly exitCode: number
  readonly problem?: string
}

const reach = (online: Online, place: Place): Promise<Finding> => {
  const proxy = online.proxyFor(place.url)
  const begun = { place, addresses: [], chain: [], protocol: null, exitCode: EXIT.stopped }
  return withLimit(systemClock, CONNECT_LIMIT_MS, [online.deadline], (limit) =>
    proxy === undefined
      ? reachDirectly(online, begun, limit)
      : reachThrough(proxy, online, { ...begun, proxy }, limit),
  )
}

/** One host may not take all the time there is. */
const CONNECT_LIMIT_MS = 5_000

const reachDirectly = async (
  online: Online,
  begun: Finding,
  signal: AbortSignal,
): Promise<Finding> => {
  const { place } = begun
  let found: readonly LookupAddress[]
  try {
    found = await unlessAborted(signal, online.lookup(bareHost(place.url.hostname)))
  } catch (error) {
    return { ...begun, exitCode: EXIT.connection, problem: dnsAdvice(systemCode(error)) }
  }
  const finding = { ...begun, addresses: found.map(({ address }) => address) }
  const port = portOf(place.url)
  let socket: Socket
  try {
    socket = await connectToFirst(found, port, signal)
  } catch (error) {
    const problem = tcpAdvice(systemCode(error), port)
    return { ...finding, exitCode: EXIT.connection, problem }
  }
  return greet(socket, finding, online, signal)
}

/** The names are the proxy's to resolve. */
const reachThrough = async (
  proxy: OutboundProxy,
  online: Online,
  begun: Finding,
  signal: AbortSignal,
): Promise<Finding> => {
  const { place } = begun
  const target = { host: bareHost(place.url.hostname), port: portOf(place.url) }
  let tunnel: Socket
  try {
    tunnel = await openTunnel(proxy, { ...target, ca: online.ca, signal })
  } catch (error) {
    const problem = tunnelAdvice(error as Error, proxy.variable)
    return { ...begun, exitCode: EXIT.connection, problem }
  }
  return greet(tunnel, begun, online, signal)
}

const greet = async (
  connection: Socket,
  begun: Finding,
  { ca, wall }: Online,
  signal: AbortSignal,
): Promise<Finding> => {
  const { place } = begun
  if (place.url.protocol === 'http:') {
    connection.destroy()
    return begun
  }
  const socket = connectTls({ socket: connection, ...tlsOptions(place, ca) })
  const finding = await shakeHands(socket, begun, wall(), signal)
  socket.destroy()
  return finding
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

const shakeHands = async (
  socket: TLSSocket,
  begun: Finding,
  wall: number,
  signal: AbortSignal,
): Promise<Finding> => {
  const chain = watchChain(socket, wall)
  try {
    await once(socket, 'secureConnect', { signal })
    return { ...begun, chain: chain(), protocol: socket.getProtocol() }
  } catch (error) {
    const code = systemCode(error)
    const refused = begun.place.client.cert !== undefined && REFUSED_CERTIFICATE.test(code)
    return {
      ...begun,
      chain: chain(),
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

const titleOf = ({ name, url }: Place): string => `${name} ${url.host}`

const warningsOf = ({ place, chain, problem }: Finding): readonly string[] =>
  chain
    .filter(({ daysLeft }) => problem === undefined && daysLeft < FEW_DAYS)
    .map(
      ({ subject, daysLeft }) =>
        `${titleOf(place)}: the certificate of ${subject} has ${daysLeft} days left; its operator must renew it`,
    )

const FEW_DAYS = 14

const rowsOf = (finding: Finding): StepReport['rows'] => [
  [titleOf(finding.place), [...wayOf(finding), encryptionOf(finding)].join(', ')],
  ...finding.chain.map(
    ({ subject, issuer, notAfter, daysLeft }, index): StepReport['rows'][number] => [
      `certificate ${index + 1}`,
      `${subject}, issued by ${issuer}, ${daysLeft} days left (until ${notAfter})`,
    ],
  ),
]

const wayOf = ({ addresses, proxy }: Finding): readonly string[] =>
  proxy === undefined
    ? addresses
    : [`through the proxy ${new URL(proxy.origin).host} (${proxy.variable})`]

const encryptionOf = ({ protocol, problem }: Finding): string =>
  protocol ?? (problem === undefined ? 'no TLS' : 'no connection')
