/**
 * The ordered search for the service key. The first place that holds a match wins; a place that is
 * named but broken ends the search, because going on could pick another tenant's key.
 */
import {
  describeCandidate,
  displayName,
  matchingBindings,
  type Binding,
  type BindingSelection,
} from './binding.ts'
import { systemCode } from '../errors.ts'
import { quotedInput } from '../quoted-input.ts'
import { readKeyFile } from './key-file.ts'
import { parseServiceKey, type ServiceKey, type ServiceKeyOptions } from './service-key.ts'
import { readVcapServices } from './vcap-services.ts'

export interface LocateOptions extends BindingSelection, ServiceKeyOptions {
  /** SKP_KEY_FILE */
  readonly keyFile: string | undefined
  readonly environment: Readonly<Record<string, string | undefined>>
  /** @throws an error with a `code` such as ENOENT */
  readonly readFile: (path: string) => string
}

export interface FoundKey {
  readonly ok: true
  readonly key: ServiceKey
  /** The place and binding in words: `VCAP_SERVICES, binding "intas"`. */
  readonly origin: string
}

export interface MissingKey {
  readonly ok: false
  /** `unbound`: none or several bindings match; `invalid`: what was found cannot be used. */
  readonly reason: 'unbound' | 'invalid'
  readonly problems: readonly string[]
}

type Place =
  | { readonly kind: 'absent'; readonly name: string }
  | { readonly kind: 'broken'; readonly name: string; readonly problem: string }
  | { readonly kind: 'credentials'; readonly name: string; readonly credentials: unknown }
  | { readonly kind: 'bindings'; readonly name: string; readonly bindings: readonly Binding[] }

type FileContent = { readonly text: string } | { readonly code: string }

const contentOf = (path: string, readFile: LocateOptions['readFile']): FileContent => {
  try {
    return { text: readFile(path) }
  } catch (error) {
    return { code: systemCode(error) }
  }
}

/** The variable and its path; not what is obviously no path but a key pasted in its place. */
const placeName = (variable: string, path: string): string =>
  /[{}"\n]/.test(path) ? `${variable} (must be the path of a file)` : `${variable} ${path}`

const unreadable = (name: string, code: string): Place => ({
  kind: 'broken',
  name,
  problem: `cannot be read (${code})`,
})

const vcapPlace = (name: string, text: string): Place => {
  const services = readVcapServices(text)
  return services.ok
    ? { kind: 'bindings', name, bindings: services.bindings }
    : { kind: 'broken', name, problem: services.problem }
}

const vcapFilePlace = (path: string, { readFile }: LocateOptions): Place => {
  const name = placeName('VCAP_SERVICES_FILE_PATH', path)
  const file = contentOf(path, readFile)
  return 'code' in file ? unreadable(name, file.code) : vcapPlace(name, file.text)
}

const keyFilePlace = (path: string, { readFile }: LocateOptions): Place => {
  const name = placeName('SKP_KEY_FILE', path)
  const file = contentOf(path, readFile)
  if ('code' in file) return unreadable(name, file.code)
  const content = readKeyFile(file.text)
  return content.kind === 'invalid'
    ? { kind: 'broken', name, problem: content.problem }
    : { ...content, name }
}

const DEFAULT_ENV = 'default-env.json'

/** Found by its name and not by a setting, so it may also be about something else altogether. */
const defaultEnvPlace = ({ readFile }: LocateOptions): Place => {
  const file = contentOf(DEFAULT_ENV, readFile)
  if ('code' in file) {
    return file.code === 'ENOENT'
      ? { kind: 'absent', name: `${DEFAULT_ENV} in the working directory` }
      : unreadable(DEFAULT_ENV, file.code)
  }
  const content = readKeyFile(file.text)
  if (content.kind === 'invalid') {
    return { kind: 'broken', name: DEFAULT_ENV, problem: content.problem }
  }
  const bindings = content.kind === 'bindings' ? content.bindings : []
  return { kind: 'bindings', name: DEFAULT_ENV, bindings }
}

const places = function* (options: LocateOptions): Generator<Place> {
  const { environment, keyFile } = options
  if (keyFile !== undefined) {
    yield keyFilePlace(keyFile, options)
    return
  }
  const path = environment['VCAP_SERVICES_FILE_PATH']
  if (path) yield vcapFilePlace(path, options)
  else yield { kind: 'absent', name: 'VCAP_SERVICES_FILE_PATH' }
  const services = environment['VCAP_SERVICES']
  if (services) yield vcapPlace('VCAP_SERVICES', services)
  else yield { kind: 'absent', name: 'VCAP_SERVICES' }
  yield defaultEnvPlace(options)
}

const use = (
  origin: string,
  credentials: unknown,
  options: LocateOptions,
): FoundKey | MissingKey => {
  const parsed = parseServiceKey(credentials, options)
  return parsed.ok
    ? { ok: true, key: parsed.key, origin }
    : {
        ok: false,
        reason: 'invalid',
        problems: parsed.problems.map((problem) => `${origin}: ${problem}`),
      }
}

const select = (
  place: Extract<Place, { kind: 'bindings' }>,
  options: LocateOptions,
): FoundKey | MissingKey | undefined => {
  const [match, ...others] = matchingBindings(place.bindings, options)
  if (match === undefined) return undefined
  if (others.length === 0) {
    return use(`${place.name}, binding ${displayName(match)}`, match.credentials, options)
  }
  const candidates = [match, ...others].map(describeCandidate).join(', ')
  const problem = `${place.name}: several bindings match (${candidates}); name one with SKP_BINDING`
  return { ok: false, reason: 'unbound', problems: [problem] }
}

const describeMiss = (place: Place): string => {
  if (place.kind !== 'bindings') return `${place.name} (absent)`
  const names = place.bindings.map(displayName).join(', ')
  return `${place.name} (${names === '' ? 'no bindings' : `no match among ${names}`})`
}

const unbound = (tried: readonly string[], { binding, service }: LocateOptions): MissingKey => {
  const wanted =
    binding === undefined
      ? `no binding of SKP_SERVICE=${quotedInput(service)}`
      : `no binding named SKP_BINDING=${quotedInput(binding)}`
  return {
    ok: false,
    reason: 'unbound',
    problems: [`${wanted} found; looked at ${tried.join('; ')}`],
  }
}

/**
 * Places in order: SKP_KEY_FILE, VCAP_SERVICES_FILE_PATH, VCAP_SERVICES, default-env.json.
 */
export const locateServiceKey = (options: LocateOptions): FoundKey | MissingKey => {
  const tried: string[] = []
  for (const place of places(options)) {
    if (place.kind === 'broken') {
      return { ok: false, reason: 'invalid', problems: [`${place.name}: ${place.problem}`] }
    }
    if (place.kind === 'credentials') return use(place.name, place.credentials, options)
    const outcome = place.kind === 'bindings' ? select(place, options) : undefined
    if (outcome !== undefined) return outcome
    tried.push(describeMiss(place))
  }
  return unbound(tried, options)
}
