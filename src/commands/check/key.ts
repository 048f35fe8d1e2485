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
import { EXIT, type Process } from '../process.ts'
import { routeName, type StepReport } from './report.ts'

/** @param route the first of those that name this binding */
export const searchBinding = (
  { environment, files }: Process,
  config: Config,
  route: Config['routes'][number],
): { readonly report: StepReport; readonly found?: FoundCredentials } => {
  const { target, binding = config.binding } = route
  const located = locateCredentials({ ...config, binding, target, environment, files })
  const { attempts } = located
  const common = { step: 'binding', rows: rowsOf(located) }
  if (!located.ok) {
    const exitCode = located.reason === 'unbound' ? EXIT.unbound : EXIT.key
    const problems = located.wanted === undefined ? located.problems : [located.wanted]
    const summary = 'no key was found that could be used'
    return { report: { ...common, exitCode, summary, problems, warnings: [], data: { attempts } } }
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

const rowsOf = ({ attempts }: FoundCredentials | MissingKey): StepReport['rows'] =>
  attempts.map((attempt) => [
    attempt.place,
    (MARKS[attempt.verdict] ?? '') + describeFound(attempt),
  ])

const MARKS: Readonly<Record<string, string>> = { chosen: 'chosen: ', ambiguous: 'ambiguous: ' }

/**
 * @param wall milliseconds since 1970, for the validity of a client certificate
 * @returns the key too, if it can be read, even if its certificate is not valid
 */
export const checkKey = (
  config: Config,
  { prefix, target }: Config['routes'][number],
  { credentials, origin }: FoundCredentials,
  wall: number,
): { readonly report: StepReport; readonly key?: ServiceKey } => {
  const fields = keyFields(credentials, target)
  const common = {
    step: 'key',
    route: routeName(prefix),
    rows: fields.map((field): StepReport['rows'][number] => [field.name, valueOf(field)]),
  }
  const parsed = parseServiceKey(credentials, { ...config, target })
  if (!parsed.ok) {
    const summary = `the key of ${origin} cannot be used`
    const { problems } = parsed
    const data = { fields }
    return { report: { ...common, exitCode: EXIT.key, summary, problems, warnings: [], data } }
  }
  const { key } = parsed
  const { baseUrl, tokenEndpoint, authentication } = key
  const { problems = [], warnings = [] } = certificateFinding(key, wall)
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
  return { key, report }
}

/**
 * The fields of a key for people to compare, without what is secret.
 *
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

const MAX_FIELDS = 100

const MAX_DEPTH = 3

type KeyField =
  | { readonly name: string; readonly value: string }
  | {
      readonly name: string
      /** Of the value, in characters. */
      readonly length: number
      /** First 8 hexadecimal digits. */
      readonly sha256: string
    }

/**
 * Shown are only values of fields that are known to be public, and only if they look as such a value
 * does; of everything else length and the beginning of the hash.
 */
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

const valueOf = (field: KeyField): string =>
  'value' in field
    ? field.value
    : `(not shown: ${field.length} characters, SHA-256 begins ${field.sha256})`

const certificateFinding = (
  { authentication }: ServiceKey,
  wall: number,
): Partial<Pick<StepReport, 'problems' | 'warnings'>> => {
  if (authentication.method !== 'tls_client_auth') return {}
  const validity = validityOf(authentication.certificate)
  const { notBefore, notAfter } = validity
  const until = new Date(notAfter).toISOString()
  if (wall > notAfter) return { problems: [`the client certificate expired on ${until}`] }
  if (wall < notBefore) {
    const from = new Date(notBefore).toISOString()
    return { problems: [`the client certificate is not valid before ${from}`] }
  }
  if (expiryUrgency(validity, wall) === 'none') return {}
  const left = Math.floor((notAfter - wall) / HOUR_MS)
  return { warnings: [`the client certificate expires on ${until}, in ${left} hours`] }
}

const HOUR_MS = 3_600_000
