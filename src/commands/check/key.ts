/** The steps of `check` that need no network: which binding it is, and whether its key is usable. */
import { createHash } from 'node:crypto'
import type { Config } from '../../config/load-config.ts'
import { expiryUrgency, validityOf } from '../../outbound/certificates.ts'
import { describeFound } from '../../service-key/binding-selection.ts'
import { asObject } from '../../service-key/binding.ts'
import {
  type FoundCredentials,
  locateCredentials,
  type MissingKey,
} from '../../service-key/key-source.ts'
import { parseServiceKey, type ServiceKey } from '../../service-key/service-key.ts'
import type { AccessToken } from '../../token/access-token.ts'
import { type Process, EXIT } from '../process.ts'
import type { StepReport } from './report.ts'

/** A prefix of the proxy, and what the steps have found out about it so far. */
export interface Subject {
  readonly route: Config['routes'][number]
  readonly found: FoundCredentials
  /** From the key step on. */
  readonly key?: ServiceKey
  /** From the token step on. */
  readonly token?: AccessToken
}

/** One step about one route. It is only taken if the one before found nothing wrong. */
export type Step = (subject: Subject) => StepResult | Promise<StepResult>

/** @param route the first of those that name this binding */
export const searchBinding = (
  edge: Process,
  config: Config,
  route: Subject['route'],
): { readonly report: StepReport; readonly found: FoundCredentials | undefined } => {
  const { environment, files } = edge
  const { target } = route
  const binding = route.binding ?? config.binding
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

interface StepResult {
  readonly report: StepReport
  /** What the next step works with. */
  readonly subject: Subject
}

/** @param wall milliseconds since 1970, for the validity of a client certificate */
export const checkKey = (config: Config, subject: Subject, wall: number): StepResult => {
  const { route, found } = subject
  const fields = keyFields(found.credentials, route.target)
  const common = {
    step: 'key',
    route: route.prefix === '' ? '/' : route.prefix,
    rows: fields.map((field): StepReport['rows'][number] => [field.name, valueOf(field)]),
  }
  const parsed = parseServiceKey(found.credentials, { ...config, target: route.target })
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

const rowsOf = ({ attempts }: FoundCredentials | MissingKey): StepReport['rows'] =>
  attempts.map((attempt) => [
    attempt.place,
    (MARKS[attempt.verdict] ?? '') + describeFound(attempt),
  ])

const MARKS: Readonly<Record<string, string>> = { chosen: 'chosen: ', ambiguous: 'ambiguous: ' }

/**
 * @param target field with the base URL, whatever it is called
 * @returns at most 100 fields; those of objects with dots in their names
 */
const keyFields = (credentials: unknown, target: string, prefix = ''): readonly KeyField[] =>
  Object.entries(asObject(credentials) ?? {})
    .slice(0, MAX_FIELDS)
    .flatMap(([name, value]) => {
      const path = prefix + name
      const isLeaf = asObject(value) === undefined || path.split('.').length >= MAX_DEPTH
      return isLeaf ? [fieldOf(path, value, target)] : keyFields(value, target, `${path}.`)
    })
    .slice(0, MAX_FIELDS)

const valueOf = (field: KeyField): string =>
  'value' in field
    ? field.value
    : `(not shown: ${field.length} characters, SHA-256 begins ${field.sha256})`

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

/* FOLDED:
 * The fields of a key for people to compare, without what is secret. Pure. Shown are only values of
 * fields that are known to be public, and only if they look as such a value does; of everything else
 * length and the beginning of the hash.
 */

type KeyField =
  | { readonly name: string; readonly value: string }
  | {
      readonly name: string
      /** Of the value, in characters. */
      readonly length: number
      /** First 8 hexadecimal digits. */
      readonly sha256: string
    }

const MAX_FIELDS = 100

const MAX_DEPTH = 3

const fieldOf = (path: string, value: unknown, target: string): KeyField => {
  const name = /^[\w.-]{1,60}$/.test(path) ? path : '(a name that is not repeated here)'
  if (typeof value === 'boolean' || value === null) return { name, value: String(value) }
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  if (isPublic(path, text, target)) return { name, value: text }
  const sha256 = createHash('sha256').update(text).digest('hex').slice(0, 8)
  return { name, length: text.length, sha256 }
}

const isPublic = (path: string, value: string, target: string): boolean => {
  const name = path.slice(path.lastIndexOf('.') + 1)
  if (path === target) return isPlainUrl(value)
  return PUBLIC.has(name) && (PLAIN.test(value) || isPlainUrl(value))
}

const isPlainUrl = (text: string): boolean => {
  const url = URL.canParse(text) ? new URL(text) : undefined
  return (
    url !== undefined &&
    /^https?:$/.test(url.protocol) &&
    url.username + url.password + url.search + url.hash === ''
  )
}

const PUBLIC: ReadonlySet<string> = new Set([
  'apiurl',
  'certurl',
  'clientid',
  'credential-type',
  'entities',
  'identityzone',
  'management',
  'subaccountid',
  'tenantid',
  'uaadomain',
  'url',
  'xsappname',
  'zoneid',
])

/** Ids, host names and types: no blanks, nothing of PEM, JSON or Base64. */
const PLAIN = /^[\w.!|-]{1,200}$/

interface CertificateFinding {
  readonly problems: readonly string[]
  readonly warnings: readonly string[]
}

const HOUR_MS = 3_600_000
