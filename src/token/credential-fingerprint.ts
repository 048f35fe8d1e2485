/**
 * Cache key of a credential: SHA-256 over length-prefixed parts, so that no two different lists of
 * parts meet. The secret is one of them: after a rotation the client id may stay the same. Hosts
 * alone never identify a key, because all tenants of a region share them.
 */
import { createHash } from 'node:crypto'

export const credentialFingerprint = (parts: readonly string[]): string => {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(`${Buffer.byteLength(part)}:`).update(part)
  return hash.digest('hex')
}
