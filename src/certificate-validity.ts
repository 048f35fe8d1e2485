/** From when to when a client certificate can be used, and how urgent its end is. Pure. */
import { X509Certificate } from 'node:crypto'

/** Wall clock, in ms. */
export interface Validity {
  readonly notBefore: number
  readonly notAfter: number
}

const HOUR_MS = 3_600_000

/** @param pem certificate chain; the first one is the client's own */
export const validityOf = (pem: string): Validity => {
  const { validFrom, validTo } = new X509Certificate(pem)
  return { notBefore: Date.parse(validFrom), notAfter: Date.parse(validTo) }
}

const day = (wall: number): string => new Date(wall).toISOString()

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
