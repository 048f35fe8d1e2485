/**
 * How the client proves itself to the token server, read from the fields of a key. Pure.
 * `credential-type: x509` keys: SAP Help, "Parameters for X.509 client certificates"; RFC 8705 §2.
 */
import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto'

/** Named as the methods of RFC 7591 §2 and RFC 8705 §2.1.1. */
export type ClientAuthentication =
  | { readonly method: 'client_secret_post'; readonly clientSecret: string }
  | {
      readonly method: 'tls_client_auth'
      /** PEM, the client's own certificate first. */
      readonly certificate: string
      /** PEM */
      readonly privateKey: string
    }

/** What must never be seen. */
export const secretOf = (authentication: ClientAuthentication): string =>
  authentication.method === 'client_secret_post'
    ? authentication.clientSecret
    : authentication.privateKey

const parsed = <T>(parse: () => T): T | undefined => {
  try {
    return parse()
  } catch {
    return undefined
  }
}

/** Some tools deliver line breaks of PEM texts as the two characters `\n`. */
export const unescapePem = (pem: string): string => pem.replaceAll(String.raw`\n`, '\n')

/**
 * @param prefix place of the fields, such as `uaa.`
 * @returns what is wrong with the pair, by field and without its content
 */
export const certificateFaults = (
  certificatePem: string,
  privateKeyPem: string,
  prefix: string,
): readonly string[] => {
  const certificate = parsed(() => new X509Certificate(certificatePem))
  const privateKey: KeyObject | undefined = parsed(() => createPrivateKey(privateKeyPem))
  const faults: string[] = []
  if (certificate === undefined)
    faults.push(`field "${prefix}certificate" is not a PEM certificate`)
  if (privateKey === undefined) faults.push(`field "${prefix}key" is not a PEM private key`)
  if (certificate !== undefined && privateKey !== undefined) {
    if (certificate.checkPrivateKey(privateKey)) return []
    faults.push(`field "${prefix}key" does not fit the certificate`)
  }
  return faults
}
