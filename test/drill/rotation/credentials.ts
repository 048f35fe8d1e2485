/** Credentials as a platform issues them at a rotation, and which of them are still good. */
import { randomBytes, X509Certificate } from 'node:crypto'
import type { CertificateAuthority } from '../../../demo/certificate-authority.ts'

export type CredentialType = 'secret' | 'x509'

export interface IssuedCredential {
  /** What a token server recognises it by: the secret, or the fingerprint of the certificate. */
  readonly proof: string
  /** As the key has it. */
  readonly fields: Readonly<Record<string, string>>
  /** Must not appear in any log. */
  readonly secret: string
}

const issueSecret = (): IssuedCredential => {
  const secret = `${randomBytes(24).toString('base64')}+/=`
  return { proof: secret, fields: { clientsecret: secret }, secret }
}

const issueCertificate = async (
  authority: CertificateAuthority,
  tokenServer: string,
): Promise<IssuedCredential> => {
  const { certificate, key } = await authority.issueClient('sb-drill')
  return {
    proof: new X509Certificate(certificate).fingerprint256,
    fields: { 'credential-type': 'x509', certificate, key, certurl: tokenServer },
    secret: key,
  }
}

export const issuer = (
  type: CredentialType,
  authority: CertificateAuthority,
  tokenServer: string,
): (() => Promise<IssuedCredential>) =>
  type === 'secret'
    ? () => Promise.resolve(issueSecret())
    : () => issueCertificate(authority, tokenServer)
