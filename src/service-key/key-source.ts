/**
 * The keys that are served: one source for each binding that the routes name, to be read at the start
 * and again whenever it may have changed. The search for a binding goes through places in order: the
 * first that holds a match wins. A place that is named but broken ends it, because going on could
 * pick another tenant's key.
 */
import { quotedInput } from '../config/setting-types.ts'
import {
  type BindingSelection,
  describeFound,
  type Origin,
  type Refusal,
  type SeenPlace,
  selectAt,
  withOrigin,
} from './binding-selection.ts'
import { placesInOrder, type PlacesOptions } from './places.ts'
import { parseServiceKey, type ServiceKey, type ServiceKeyOptions } from './service-key.ts'

export interface KeySource {
  /** What tells this key from others, in logs and probes. */
  readonly name: string
  readonly read: () => KeyReading | UnreadKey
}

/** One binding as it is now. Its keys differ in nothing but their base URL. */
export interface KeyReading extends Omit<Origin, 'reason'> {
  readonly keys: readonly [RoutedKey, ...RoutedKey[]]
}

export interface RoutedKey {
  readonly prefix: string
  readonly key: ServiceKey
}

/** `wanted` and `attempts` where a search found nothing. */
export interface UnreadKey extends Refusal, Partial<Pick<MissingKey, 'wanted' | 'attempts'>> {}

/** Where a base URL is served, and which one it is. */
interface RoutePoint {
  /** Empty for the root. */
  readonly prefix: string
  /** Binding or instance name; `undefined`: the one that the other options select. */
  readonly binding: string | undefined
  /** Field of the key with the base URL. */
  readonly target: string
}

type KeySourceOptions = Omit<SearchOptions, 'target'> & Omit<ServiceKeyOptions, 'target'>

/** In the order in which the routes name their bindings. */
export const keySources = (
  routes: readonly RoutePoint[],
  options: KeySourceOptions,
): readonly KeySource[] => {
  const groups = new Map<string | undefined, [RoutePoint, ...RoutePoint[]]>()
  for (const route of routes) {
    const group = groups.get(route.binding)
    if (group === undefined) groups.set(route.binding, [route])
    else group.push(route)
  }
  return [...groups].map(([binding, group]) => ({
    name: binding ?? options.binding ?? options.service,
    read: () => readKey(group, options),
  }))
}

interface SearchOptions extends BindingSelection, PlacesOptions {}

interface Search {
  /** Every place looked at, in order; the last one decided. */
  readonly attempts: readonly SeenPlace[]
}

/** Credentials as they were delivered; `parseServiceKey` makes a key of them, for any target. */
export interface FoundCredentials extends Origin, Search {
  readonly credentials: unknown
}

export interface MissingKey extends Refusal, Search {
  /** Where nothing was found: the problem without the places, for whoever prints `attempts`. */
  readonly wanted?: string
}

/** The credentials of one binding, unparsed, and every place that was looked at. */
export const locateCredentials = (options: SearchOptions): FoundCredentials | MissingKey => {
  const attempts: SeenPlace[] = []
  for (const place of placesInOrder(options)) {
    const { seen, outcome } = selectAt(place, options)
    attempts.push(seen)
    if (outcome !== undefined) return { ...outcome, attempts }
  }
  return unbound(attempts, options)
}

const readKey = (
  routes: readonly [RoutePoint, ...RoutePoint[]],
  options: KeySourceOptions,
): KeyReading | UnreadKey => {
  const [{ target, binding = options.binding }] = routes
  const located = locateCredentials({ ...options, target, binding })
  if (!located.ok) return located
  const { credentials, origin, watch, warnings } = located
  const keys: RoutedKey[] = []
  const faults = new Set<string>()
  for (const { prefix, target } of routes) {
    const parsed = parseServiceKey(credentials, { ...options, target })
    if (parsed.ok) keys.push({ prefix, key: parsed.key })
    else for (const problem of parsed.problems) faults.add(problem)
  }
  const [first, ...others] = keys
  if (first !== undefined && faults.size === 0) {
    return { ok: true, keys: [first, ...others], origin, watch, warnings }
  }
  const problems = [...warnings, ...withOrigin(origin, [...faults])]
  return { ok: false, reason: 'invalid', problems }
}

const unbound = (
  attempts: readonly SeenPlace[],
  { binding, service }: BindingSelection,
): MissingKey => {
  const wanted =
    binding === undefined
      ? `no binding of SKP_SERVICE=${quotedInput(service)} found`
      : `no binding named ${quotedInput(binding)} (SKP_BINDING or SKP_MOUNTS) found`
  const tried = attempts.map((seen) => `${seen.place} (${describeFound(seen)})`)
  const problem = `${wanted}; looked at ${tried.join('; ')}`
  return { ok: false, reason: 'unbound', problems: [problem], wanted, attempts }
}
