/** The steps of `check` that need no network: which binding it is, and whether its key is usable. */
import { expiryUrgency, validityOf } from '../certificate-validity.ts'
import type { Config } from '../config/load-config.ts'
import { describeFound } from '../service-key/attempt.ts'
import { keyFields, type KeyField } from '../service-key/key-fields.ts'
import { locateCredentials, type FoundCredentials, type MissingKey } from '../service-key/locate.ts'
import { parseServiceKey, type ServiceKey } from '../service-key/service-key.ts'
import type { AccessToken } from '../token/access-token.ts'
import type { StepReport } from './check-report.ts'
import { EXIT, type Edge } from './edge.ts'

/** A prefix of the proxy, and what the steps have found out about it so far. */
export interface Subject {
  readonly mount: Config['mounts'][number]
  readonly found: FoundCredentials
  /** From the key step on. */
  readonly key?: ServiceKey
  /** From the token step on. */
  readonly token?: AccessToken
}

export interface StepResult {
  readonly report: StepReport
  /** What the next step works with. */
  readonly subject: Subject
}

/** One step about one mount. It is only taken if the one before found nothing wrong. */
export type Step = (subject: Subject) => StepResult | Promise<StepResult>

const MARKS: Readonly<Record<string, string>> = { chosen: 'chosen: ', ambiguous: 'ambiguous: ' }

const rowsOf = ({ attempts }: FoundCredentials | MissingKey): StepReport['rows'] =>
  attempts.map((attempt) => [
    attempt.place,
    (MARKS[attempt.verdict] ?? '') + describeFound(attempt),
  ])

/** @param mount the first of those that name this binding */
export const searchBinding = (
  edge: Edge,
  config: Config,
  mount: Subject['mount'],
): { readonly report: StepReport; readonly found: FoundCredentials | undefined } => {
  const { environment, files } = edge
  const { target } = mount
  const binding = mount.binding ?? config.binding
  const located = locateCredentials({ ...config, binding, target, environment, files })
  const { attempts } = located
  const common = { step: 'binding', rows: rowsOf(located) }
  if (!located.ok) {
    const exitCode = located.reason === 'unbound' ? EXIT.unbound : EXIT.key
    const problems = located.wanted === undefined ? located.problems : [located.wanted]
    const summary = 'no key was found that could be used'
    const report = { ...common, exitCode, summary, problems, warnings: [], data: { attempts } }
    return { report, found: undefined }
  }
  const { origin, reason, warnings, watch } = located
  return {
    found: located,
    report: {
      ...common,
      exitCode: EXIT.stopped,
      summary: `${origin}, because ${reason}`,
      problems: [],
      warnings,
      data: { origin, reason, watch, attempts },
    },
  }
}

const valueOf = (field: KeyField): string =>
  'value' in field
    ? field.value
    : `(not shown: ${field.length} characters, SHA-256 begins ${field.sha256})`

const HOUR_MS = 3_600_000

interface CertificateFinding {
  readonly problems: readonly string[]
  readonly warnings: readonly string[]
}

const certificateFinding = ({ authentication }: ServiceKey, wall: number): CertificateFinding => {
  if (authentication.method !== 'tls_client_auth') return { problems: [], warnings: [] }
  const validity = validityOf(authentication.certificate)
  const [from, until] = [validity.notBefore, validity.notAfter].map((time) =>
    new Date(time).toISOString(),
  )
  if (wall > validity.notAfter) {
    return { problems: [`the client certificate expired on ${until}`], warnings: [] }
  }
  if (wall < validity.notBefore) {
    return { problems: [`the client certificate is not valid before ${from}`], warnings: [] }
  }
  const left = Math.floor((validity.notAfter - wall) / HOUR_MS)
  const warning = `the client certificate expires on ${until}, in ${left} hours`
  return { problems: [], warnings: expiryUrgency(validity, wall) === 'none' ? [] : [warning] }
}

/** @param wall milliseconds since 1970, for the validity of a client certificate */
export const checkKey = (config: Config, subject: Subject, wall: number): StepResult => {
  const { mount, found } = subject
  const fields = keyFields(found.credentials, mount.target)
  const common = {
    step: 'key',
    mount: mount.prefix === '' ? '/' : mount.prefix,
    rows: fields.map((field): StepReport['rows'][number] => [field.name, valueOf(field)]),
  }
  const parsed = parseServiceKey(found.credentials, { ...config, target: mount.target })
  if (!parsed.ok) {
    const summary = `the key of ${found.origin} cannot be used`
    const { problems } = parsed
    const report = { ...common, summary, problems, warnings: [], data: { fields } }
    return { subject, report: { ...report, exitCode: EXIT.key } }
  }
  const { key } = parsed
  const { baseUrl, tokenEndpoint, authentication } = key
  const { problems, warnings } = certificateFinding(key, wall)
  const report: StepReport = {
    ...common,
    exitCode: problems.length === 0 ? EXIT.stopped : EXIT.key,
    summary: `leads to ${baseUrl.href} with tokens from ${tokenEndpoint.href}`,
    problems,
    warnings,
    data: {
      baseUrl: baseUrl.href,
      tokenEndpoint: tokenEndpoint.href,
      authentication: authentication.method,
      fields,
    },
  }
  return { subject: { ...subject, key }, report }
}
