/** A connection for an operator: what to do where it failed, and the certificates that came with it. Pure. */
import type { Certificate, DetailedPeerCertificate } from 'node:tls'
import { printable } from './report.ts'

export const dnsAdvice = (code: string): string =>
  `the host name cannot be resolved (${cause(code)}); compare it with the key, and check the DNS of this machine`

export const tcpAdvice = (code: string, port: number): string =>
  `no TCP connection to port ${port} (${cause(code)}); allow this machine to reach it: look for a firewall, a network policy or an egress rule`

/** @param error whose message may be shown */
export const tunnelAdvice = ({ message }: Error, variable: string): string =>
  `${message} Correct ${variable}, or name the host in NO_PROXY if it can be reached without a proxy`

/** @param refused whether the server refused the client's certificate */
export const tlsAdvice = (code: string, refused: boolean): string => {
  if (refused) {
    return `refused the client certificate (${code}); create a new X.509 key, and bind it instead of this one`
  }
  const known = TLS_ADVICE.find(([pattern]) => pattern.test(code))?.[1]
  const advice =
    known ??
    'the TLS handshake failed; compare the URL with the key, and look for a proxy in between'
  return `${advice} (${cause(code)})`
}

export interface ChainLink {
  readonly subject: string
  readonly issuer: string
  readonly notAfter: string
  /** Whole days; negative once it has expired. */
  readonly daysLeft: number
}

/**
 * @param certificate the server's own; a root is its own issuer
 * @param wall milliseconds since 1970
 * @returns the server's own first
 */
export const chainOf = (
  certificate: DetailedPeerCertificate,
  wall: number,
): readonly ChainLink[] => {
  const links: ChainLink[] = []
  const seen = new Set<string>()
  let current: DetailedPeerCertificate | undefined = certificate
  while (current?.subject !== undefined && links.length < MAX_LINKS) {
    if (seen.has(current.fingerprint256)) break
    seen.add(current.fingerprint256)
    links.push(linkOf(current, wall))
    current = current.issuerCertificate
  }
  return links
}

/** No real chain is longer. */
const MAX_LINKS = 10

const linkOf = (certificate: DetailedPeerCertificate, wall: number): ChainLink => {
  const notAfter = Date.parse(certificate.valid_to)
  return {
    subject: nameOf(certificate.subject),
    issuer: nameOf(certificate.issuer),
    notAfter: new Date(notAfter).toISOString(),
    daysLeft: Math.floor((notAfter - wall) / DAY_MS),
  }
}

const nameOf = ({ CN, O }: Partial<Certificate>): string => printable(String(CN ?? O ?? 'no name'))

const DAY_MS = 24 * 3_600_000

const cause = (code: string): string => (isTimeout(code) ? 'no answer in time' : code)

/** Of an error without a system code only the limit is left as its cause. */
const isTimeout = (code: string): boolean => code === 'unknown' || code === 'ABORT_ERR'

const TLS_ADVICE: readonly (readonly [code: RegExp, advice: string])[] = [
  [
    /^CERT_HAS_EXPIRED$/,
    'its certificate has expired; its operator must renew it, unless the clock of this machine is wrong',
  ],
  [/^CERT_NOT_YET_VALID$/, 'its certificate is not valid yet; set the clock of this machine'],
  [
    /^ERR_TLS_CERT_ALTNAME_INVALID$/,
    'its certificate is for another name; compare the host with the key, and look for a proxy in between',
  ],
  [
    /^(?:UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|INVALID_CA)/,
    'its certificate comes from an authority that is not trusted; name the PEM file of the authority with SKP_CA_FILE',
  ],
]
