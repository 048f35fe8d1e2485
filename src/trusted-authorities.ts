/**
 * The certificate authorities to trust when there are extra ones. Naming any to Node replaces its
 * own set, and with it what `NODE_EXTRA_CA_CERTS` added, so all of them are put together here.
 */
import { X509Certificate } from 'node:crypto'
import { rootCertificates } from 'node:tls'
import { quotedInput } from './quoted-input.ts'

export interface AuthorityOptions {
  /** SKP_CA_FILE */
  readonly caFile: string | undefined
  readonly environment: Readonly<Record<string, string | undefined>>
  /** @throws an error with a `code` such as ENOENT */
  readonly readFile: (path: string) => string
}

export interface Authorities {
  /** PEM certificates; `undefined`: nothing was added to those of Node. */
  readonly certificates: readonly string[] | undefined
  readonly problems: readonly string[]
}

const PEM = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g

const isCertificate = (pem: string): boolean => {
  try {
    return new X509Certificate(pem).subject !== ''
  } catch {
    return false
  }
}

const read = (path: string, readFile: AuthorityOptions['readFile']): readonly string[] => {
  try {
    return readFile(path).match(PEM) ?? []
  } catch {
    return []
  }
}

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
