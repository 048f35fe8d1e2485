/**
 * What goes on beside the requests, in the log: token fetches, a certificate that is about to expire, lost
 * traces. What goes on failing is said at once, and then only now and again.
 */
import type { Logger } from 'pino'
import { type Clock, elapsed, type Instant } from '../clock.ts'
import { expiryUrgency, type Validity } from '../outbound/certificates.ts'
import type { TokenFailure } from '../token/token-response.ts'
import type { GrantOutcome } from '../token/token-source.ts'
import type { Redactor } from './redaction.ts'

interface TokenLogOptions {
  readonly log: Logger
  readonly clock: Clock
  /** Shown with every failure: only the host, for a URL may hold more than the public may see. */
  readonly tokenHost: string
  /** Learns every token, so that none can reach the log. */
  readonly redactor: Redactor
}

/**
 * The first failure of a kind at once, then once a minute, then the recovery.
 *
 * @returns an observer of fetch outcomes
 */
export const tokenLog = ({ log, clock, tokenHost, redactor }: TokenLogOptions) => {
  let failures = 0
  let logged: { readonly kind: string; readonly at: Instant } | undefined

  const logFailure = (failure: TokenFailure): void => {
    const { kind, reason, description, remedy } = failure
    failures += 1
    const now = clock.now()
    if (logged?.kind === kind && elapsed(logged.at, now) < REPEAT_MS) return
    logged = { kind, at: now }
    const level = kind === 'rejected' || kind === 'misconfigured' ? 'error' : 'warn'
    log[level](
      { token_host: tokenHost, reason, description, advice: remedy, failures },
      MESSAGES[kind],
    )
  }

  return (outcome: GrantOutcome): void => {
    if (!outcome.ok) return logFailure(outcome.failure)
    redactor.addToken(outcome.token.value)
    const fields = { token_host: tokenHost, lifetime_s: outcome.token.lifetime / 1000 }
    if (failures > 0) log.info({ ...fields, failures }, 'the token server gives tokens again')
    else log.info(fields, 'token obtained')
    failures = 0
    logged = undefined
  }
}

/**
 * Says that the client certificate of an X.509 key is about to expire: checks now and every hour.
 *
 * @returns ends the checks
 */
export const watchCertificate = (log: Logger, clock: Clock, validity: Validity): (() => void) => {
  let cancel: (() => void) | undefined
  const check = (): void => {
    const { wall } = clock.now()
    const urgency = expiryUrgency(validity, wall)
    if (urgency !== 'none') {
      const expiry = new Date(validity.notAfter).toISOString()
      const hours_left = Math.floor((validity.notAfter - wall) / HOUR_MS)
      log[urgency]({ expiry, hours_left }, 'the client certificate of the service key expires soon')
    }
    cancel = clock.schedule(HOUR_MS, check)
  }
  check()
  return () => cancel?.()
}

/**
 * Says that spans are lost: the first time, then once a minute.
 *
 * @returns an observer of what went wrong
 */
export const tracingLog = (log: Logger, clock: Clock): ((reason: string) => void) => {
  let logged: Instant | undefined
  return (reason) => {
    const now = clock.now()
    if (logged !== undefined && elapsed(logged, now) < REPEAT_MS) return
    logged = now
    log.warn({ reason }, 'traces are lost')
  }
}

const MESSAGES = {
  rejected:
    'the token server rejects the credential of the service key; requests fail until a valid key is bound',
  misconfigured: 'the token URL of the service key does not lead to a token endpoint',
  rate_limited: 'the token server limits the rate of token requests',
  transient: 'no token from the token server',
} as const

const REPEAT_MS = 60_000

const HOUR_MS = 3_600_000
