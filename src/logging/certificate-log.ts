/** Says in the log that the client certificate of an X.509 key is about to expire, before it does. */
import type { Logger } from 'pino'
import type { Clock } from '../clock.ts'
import { expiryUrgency, type Validity } from '../certificate-validity.ts'

const CHECK_MS = 3_600_000

export interface CertificateLogOptions {
  readonly log: Logger
  readonly clock: Clock
  readonly validity: Validity
}

/** Checks now and every hour. @returns ends the checks */
export const watchCertificate = ({ log, clock, validity }: CertificateLogOptions): (() => void) => {
  let cancel: (() => void) | undefined
  const check = (): void => {
    const { wall } = clock.now()
    const urgency = expiryUrgency(validity, wall)
    if (urgency !== 'none') {
      const expiry = new Date(validity.notAfter).toISOString()
      const hours_left = Math.floor((validity.notAfter - wall) / CHECK_MS)
      log[urgency]({ expiry, hours_left }, 'the client certificate of the service key expires soon')
    }
    cancel = clock.schedule(CHECK_MS, check)
  }
  check()
  return () => cancel?.()
}
