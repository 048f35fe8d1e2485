/**
 * What goes on beside the requests, in the log: token fetches, a certificate that is about to expire, lost
 * traces. What goes on failing is said at once, and then only now and again.
 */
import type { Logger } from 'pino'
import { type Clock, elapsed, type Instant } from '../clock.ts'
import { expiryUrgency, type Validity } from '../outbound/certificates.ts'
import type { TokenFailure } from '../token/token-response.ts'
import type { CredentialRole, GrantOutcome } from '../token/token-source.ts'
import type { Redactor } from './redaction.ts'

interface TokenLogOptions {
  readonly log: Logger
  readonly clock: Clock
  /** Learns every token, so that none can reach the log. */
  readonly redactor: Redactor
}

/**
 * The first failure of a kind at once, then once a minute, then the recovery. An error is only what
 * makes requests fail, now or soon; whoever tries a credential says what came of it.
 *
 * @returns an observer of fetch outcomes; of the token server only the host is shown, for a URL may
 * hold more than the public may see
 */
export const tokenLog = ({ log, clock, redactor }: TokenLogOptions) => {
  let failures = 0
  let since: Instant | undefined
  let logged: { readonly message: string; readonly at: Instant } | undefined

  const logFailure = (token_host: string, failure: TokenFailure, role: CredentialRole): void => {
    failures += 1
    const now = clock.now()
    since ??= now
    const [level, message] = role === 'rescued' ? RESCUED : lineOf(failure)
    if (logged?.message === message && elapsed(logged.at, now) < REPEAT_MS) return
    logged = { message, at: now }
    log[level]({ token_host, ...reasonOf(failure), failures }, message)
  }

  return (token_host: string, outcome: GrantOutcome, role: CredentialRole): void => {
    if (!outcome.ok) {
      if (role !== 'unused') logFailure(token_host, outcome.failure, role)
      return
    }
    redactor.addToken(outcome.token.value)
    const fields = { token_host, lifetime_s: outcome.token.lifetime / 1000 }
    if (since === undefined || role === 'unused') return log.info(fields, 'token obtained')
    const lasted_s = secondsSince(since, clock)
    log.info({ ...fields, failures, lasted_s }, 'the token server gives tokens again')
    failures = 0
    since = undefined
    logged = undefined
  }
}

/** Why there is no token, as fields of a line. What is `undefined` is not written. */
export const reasonOf = (failure: TokenFailure) => ({
  reason: failure.reason,
  description: failure.description,
  advice: failure.remedy,
})

export const secondsSince = (start: Instant, clock: Clock): number =>
  Math.round(elapsed(start, clock.now()) / 1000)

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

type Line = readonly [level: 'warn' | 'error', message: string]

const RESCUED: Line = [
  'warn',
  'the token server rejects the credential of the service key; the previous key still gives tokens and stays in use',
]

const lineOf = ({ kind, code = 'invalid_client' }: TokenFailure): Line =>
  kind === 'rejected' && !OF_THE_CREDENTIAL.has(code) ? REFUSED : LINES[kind]

/** OAuth errors that another key can mend. */
const OF_THE_CREDENTIAL: ReadonlySet<string> = new Set(['invalid_client', 'unauthorized'])

const REFUSED: Line = [
  'error',
  'the token server refuses what is asked of it for the service key; requests fail as soon as no token is left',
]

const LINES: Readonly<Record<TokenFailure['kind'], Line>> = {
  rejected: [
    'error',
    'the token server rejects the credential of the service key; requests fail as soon as no token is left, until a valid key is bound',
  ],
  misconfigured: [
    'error',
    'the token URL of the service key does not lead to a token endpoint; requests fail as soon as no token is left',
  ],
  rate_limited: ['warn', 'the token server limits the rate of token requests'],
  transient: ['warn', 'no token from the token server'],
}

const REPEAT_MS = 60_000

const HOUR_MS = 3_600_000
