/** The certificates that a TLS server presented, as an operator wants to see them. Pure. */
import type { Certificate, DetailedPeerCertificate } from 'node:tls'
import { printable } from './printable.ts'

export interface ChainLink {
  readonly subject: string
  readonly issuer: string
  readonly notAfter: string
  /** Whole days; negative once it has expired. */
  readonly daysLeft: number
}

const DAY_MS = 24 * 3_600_000
/** No real chain is longer. */
const MAX_LINKS = 10

const nameOf = ({ CN, O }: Partial<Certificate>): string => printable(String(CN ?? O ?? 'no name'))

const linkOf = (certificate: DetailedPeerCertificate, wall: number): ChainLink => {
  const notAfter = Date.parse(certificate.valid_to)
  return {
    subject: nameOf(certificate.subject),
    issuer: nameOf(certificate.issuer),
    notAfter: new Date(notAfter).toISOString(),
    daysLeft: Math.floor((notAfter - wall) / DAY_MS),
  }
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
