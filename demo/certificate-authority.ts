// A throw-away certificate authority for the demo and the tests: keys are made at run time, so no
// private key is ever kept in the repository. EC P-256, because it is made in a millisecond.
import 'reflect-metadata'
import { KeyObject, randomBytes, webcrypto } from 'node:crypto'
import { isIP } from 'node:net'
import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  type Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
} from '@peculiar/x509'

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
const DAY = 24 * 60 * 60 * 1000

/** A certificate and its private key, both PEM. */
export interface Identity {
  readonly certificate: string
  readonly key: string
}

/** When the certificate is valid; one day around now unless told. */
interface Validity {
  readonly notBefore?: Date
  readonly notAfter?: Date
}

export interface CertificateAuthority {
  /** The authority's own certificate, PEM: what a client has to trust. */
  readonly certificate: string
  readonly issueServer: (hosts?: readonly string[], validity?: Validity) => Promise<Identity>
  readonly issueClient: (commonName: string, validity?: Validity) => Promise<Identity>
}

const generateKeys = () => webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify'])

/** The leading byte keeps the serial number positive, as RFC 5280 section 4.1.2.2 demands. */
const serialNumber = () => `01${randomBytes(15).toString('hex')}`

const period = ({ notBefore, notAfter }: Validity = {}) => ({
  notBefore: notBefore ?? new Date(Date.now() - DAY),
  notAfter: notAfter ?? new Date(Date.now() + DAY),
})

export async function createCertificateAuthority(
  name = 'Demo Authority',
): Promise<CertificateAuthority> {
  const authorityKeys = await generateKeys()
  const authority = await X509CertificateGenerator.createSelfSigned({
    serialNumber: serialNumber(),
    name: `CN=${name}`,
    ...period(),
    signingAlgorithm: ALGORITHM,
    keys: authorityKeys,
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
    ],
  })

  const issuer = { name: authority.subject, key: authorityKeys.privateKey }
  return {
    certificate: authority.toString('pem'),
    issueServer: (hosts = ['127.0.0.1', 'localhost'], validity) => {
      const names = hosts.map((value) => ({ type: isIP(value) ? 'ip' : 'dns', value }) as const)
      return issue(issuer, hosts[0] ?? 'localhost', validity, [
        new SubjectAlternativeNameExtension(names),
        new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth]),
      ])
    },
    issueClient: (commonName, validity) =>
      issue(issuer, commonName, validity, [
        new ExtendedKeyUsageExtension([ExtendedKeyUsage.clientAuth]),
      ]),
  }
}

async function issue(
  issuer: { readonly name: string; readonly key: webcrypto.CryptoKey },
  commonName: string,
  validity: Validity | undefined,
  uses: readonly Extension[],
): Promise<Identity> {
  const keys = await generateKeys()
  const certificate = await X509CertificateGenerator.create({
    serialNumber: serialNumber(),
    subject: `CN=${commonName}`,
    issuer: issuer.name,
    ...period(validity),
    signingAlgorithm: ALGORITHM,
    publicKey: keys.publicKey,
    signingKey: issuer.key,
    extensions: [new BasicConstraintsExtension(false), ...uses],
  })
  const key = KeyObject.from(keys.privateKey).export({ type: 'pkcs8', format: 'pem' })
  return { certificate: certificate.toString('pem'), key: key.toString() }
}
