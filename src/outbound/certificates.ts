/**
 * Certificates of both sides: the authorities to trust when there are extra ones, and from when to when
 * that of a client can be used. TLS itself is Node's.
 */
import { X509Certificate } from 'node:crypto'
import { rootCertificates } from 'node:tls'
import { quotedInput } from '../config/setting-types.ts'

interface AuthorityOptions {
  /** SKP_CA_FILE */
  readonly caFile: string | undefined
  readonly environment: Readonly<Record<string, string | undefined>>
  /** @throws an error with a `code` such as ENOENT */
  readonly readFile: (path: string) => string
}

interface Authorities {
  /** PEM certificates; `undefined`: nothing was added to those of Node. */
  readonly certificates: readonly string[] | undefined
  readonly problems: readonly string[]
}

/**
 * Naming any to Node replaces its own set, and with it what `NODE_EXTRA_CA_CERTS` added, so all of them
 * are put together here.
 */
export const loadAuthorities = ({
  caFile,
  environment,
  readFile,
}: AuthorityOptions): Authorities => {
  if (caFile === undefined) return { certificates: undefined, problems: [] }
  const added = read(caFile, readFile)
  if (added.length === 0 || !added.every(isCertificate)) {
    const problem = `SKP_CA_FILE: must be the path of a readable file of PEM certificates, got ${quotedInput(caFile)}`
    return { certificates: undefined, problems: [problem] }
  }
  // Node itself warns about a file here that it cannot read.
  const extra = environment['NODE_EXTRA_CA_CERTS']
  const known = extra === undefined ? [] : read(extra, readFile)
  return { certificates: [...rootCertificates, ...known, ...added], problems: [] }
}

/** When a client certificate can be used, by the wall clock in ms. */
export interface Validity {
  readonly notBefore: number
  readonly notAfter: number
}

/** @param pem certificate chain; the first one is the client's own */
export const validityOf = (pem: string): Validity => {
  const { validFrom, validTo } = new X509Certificate(pem)
  return { notBefore: Date.parse(validFrom), notAfter: Date.parse(validTo) }
}

/** Why the certificate cannot be used at that moment; completes "the token server …". */
export const validityFault = (
  { notBefore, notAfter }: Validity,
  wall: number,
): string | undefined => {
  if (wall > notAfter) return `was not asked: the client certificate expired on ${day(notAfter)}`
  return wall < notBefore
    ? `was not asked: the client certificate is not valid before ${day(notBefore)}`
    : undefined
}

/**
 * SAP's certificates live seven days by default, so the warning is relative as well: with less than
 * a fifth of the life or less than 72 h left.
 */
export const expiryUrgency = (
  { notBefore, notAfter }: Validity,
  wall: number,
): 'none' | 'warn' | 'error' => {
  const left = notAfter - wall
  if (left < 24 * HOUR_MS) return 'error'
  return left < 72 * HOUR_MS || left < 0.2 * (notAfter - notBefore) ? 'warn' : 'none'
}

const read = (path: string, readFile: AuthorityOptions['readFile']): readonly string[] => {
  try {
    return readFile(path).match(PEM) ?? []
  } catch {
    return []
  }
}

const isCertificate = (pem: string): boolean => {
  try {
    return new X509Certificate(pem).subject !== ''
  } catch {
    return false
  }
}

const PEM = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g

const day = (wall: number): string => new Date(wall).toISOString()

const HOUR_MS = 3_600_000
