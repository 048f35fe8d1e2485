/** The step of `check` that connects to the token server and to the API: name, TCP, TLS. */
import type { LookupAddress } from 'node:dns'
import { once } from 'node:events'
import { connect as connectPlain, isIP, type Socket } from 'node:net'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import type { Config } from '../config/load-config.ts'
import { systemCode } from '../errors.ts'
import type { ServiceKey } from '../service-key/service-key.ts'
import { REFUSED_CERTIFICATE } from '../token/client-credentials-grant.ts'
import { chainOf, type ChainLink } from './certificate-chain.ts'
import type { StepReport } from './check-report.ts'
import { dnsAdvice, tcpAdvice, tlsAdvice } from './connection-advice.ts'
import { EXIT } from './edge.ts'

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
  /** Milliseconds since 1970. */
  readonly wall: () => number
}

interface Place {
  readonly name: 'token server' | 'API'
  readonly url: URL
  /** For the TLS handshake, PEM. */
  readonly client: { readonly cert?: string; readonly key?: string }
}

interface Finding {
  readonly place: Place
  readonly addresses: readonly string[]
  readonly chain: readonly ChainLink[]
  /** `null`: no TLS, or none yet. */
  readonly protocol: string | null
  readonly exitCode: number
  readonly problem?: string
}

/** One host may not take all the time there is. */
const CONNECT_LIMIT_MS = 5_000
const FEW_DAYS = 14

/** Rejects as soon as `signal` aborts, for work that cannot be ended. */
const unlessAborted = <T>(signal: AbortSignal, work: Promise<T>): Promise<T> =>
  new Promise((resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
    work.then(resolve, reject)
  })

/** `[::1]` → `::1` */
const hostOf = ({ hostname }: URL): string => hostname.replace(/^\[(.*)\]$/, '$1')

const portOf = ({ port, protocol }: URL): number =>
  Number(port === '' ? (protocol === 'https:' ? 443 : 80) : port)

const open = ({ url, client }: Place, addresses: readonly LookupAddress[], ca: Online['ca']) => {
  const host = hostOf(url)
  const target = {
    host,
    port: portOf(url),
    autoSelectFamily: true,
    // Those found before; with families to select from, all of them are asked for.
    lookup: (_host: string, _options: unknown, done: (...results: never[]) => void) =>
      (done as (error: null, all: readonly LookupAddress[]) => void)(null, addresses),
  }
  if (url.protocol === 'http:') return connectPlain(target)
  return connectTls({
    ...target,
    ...client,
    ...(ca === undefined ? {} : { ca: [...ca] }),
    rejectUnauthorized: true,
    servername: isIP(host) === 0 ? host : '',
    ALPNProtocols: ['http/1.1'],
  })
}

/** Also that of a server that is not trusted: comes before Node gives its verdict. */
const watchChain = (socket: TLSSocket, wall: number) => {
  let chain: readonly ChainLink[] = []
  socket.prependListener('secure', () => {
    chain = chainOf(socket.getPeerCertificate(true), wall)
  })
  return () => chain
}

const isTls = (socket: Socket): socket is TLSSocket => 'encrypted' in socket

type Parts = Pick<Finding, 'place' | 'addresses'>

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

const reach = async (online: Online, place: Place): Promise<Finding> => {
  const signal = AbortSignal.any([online.deadline, AbortSignal.timeout(CONNECT_LIMIT_MS)])
  let found: readonly LookupAddress[]
  try {
    found = await unlessAborted(signal, online.lookup(hostOf(place.url)))
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

const titleOf = ({ name, url }: Place): string => `${name} ${url.host}`

const encryptionOf = ({ protocol, problem }: Finding): string =>
  protocol ?? (problem === undefined ? 'no TLS' : 'no connection')

const rowsOf = (finding: Finding): StepReport['rows'] => [
  [titleOf(finding.place), [...finding.addresses, encryptionOf(finding)].join(', ')],
  ...finding.chain.map(
    ({ subject, issuer, notAfter, daysLeft }, index): StepReport['rows'][number] => [
      `certificate ${index + 1}`,
      `${subject}, issued by ${issuer}, ${daysLeft} days left (until ${notAfter})`,
    ],
  ),
]

const warningsOf = ({ place, chain, problem }: Finding): readonly string[] =>
  chain
    .filter(({ daysLeft }) => problem === undefined && daysLeft < FEW_DAYS)
    .map(
      ({ subject, daysLeft }) =>
        `${titleOf(place)}: the certificate of ${subject} has ${daysLeft} days left; its operator must renew it`,
    )

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
      hosts: findings.map(({ place, addresses, chain, protocol }) => ({
        name: place.name,
        host: place.url.host,
        addresses,
        protocol,
        chain,
      })),
    },
  }
}
