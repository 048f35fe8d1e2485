/**
 * The keys that are served: one source for each binding that the routes name, to be read at the start
 * and again whenever it may have changed.
 */
import { quotedInput } from '../config/setting-types.ts'
import {
  type Attempt,
  describeFound,
  judge,
  type Origin,
  type Refusal,
  withOrigin,
} from './binding-selection.ts'
import type { BindingSelection } from './binding.ts'
import type { WatchedPlace } from './mounted-folders.ts'
import { placesInOrder, type PlacesOptions } from './places.ts'
import { parseServiceKey, type ServiceKey, type ServiceKeyOptions } from './service-key.ts'

export interface RoutedKey {
  readonly prefix: string
  readonly key: ServiceKey
}

/** One binding as it is now. Its keys differ in nothing but their base URL. */
export interface KeyReading {
  readonly ok: true
  readonly keys: readonly [RoutedKey, ...RoutedKey[]]
  /** The place and binding in words. */
  readonly origin: string
  /** Where a change shows; empty where only a restart brings one. */
  readonly watch: readonly WatchedPlace[]
  readonly warnings: readonly string[]
}

/** `wanted` and `attempts` where a search found nothing. */
export type UnreadKey = Pick<MissingKey, 'ok' | 'reason' | 'problems'> &
  Partial<Pick<MissingKey, 'wanted' | 'attempts'>>

export interface KeySource {
  /** What tells this key from others, in logs and probes. */
  readonly name: string
  readonly read: () => KeyReading | UnreadKey
}

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
    read: () => read(group, options),
  }))
}

/* FOLDED:
 * The ordered search for the service key. The first place that holds a match wins; a place that is
 * named but broken ends the search, because going on could pick another tenant's key.
 */

interface SearchOptions extends BindingSelection, PlacesOptions {}

export interface LocateOptions extends SearchOptions, ServiceKeyOptions {}

interface Search {
  /** Every place looked at, in order; the last one decided. */
  readonly attempts: readonly Attempt[]
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
  const attempts: Attempt[] = []
  for (const place of placesInOrder(options)) {
    const { attempt, outcome } = judge(place, options)
    attempts.push(attempt)
    if (outcome !== undefined) return { ...outcome, attempts }
  }
  return unbound(attempts, options)
}

interface FoundKey extends Origin, Search {
  readonly key: ServiceKey
}

/**
 * Places in order: SKP_KEY_FILE, VCAP_SERVICES_FILE_PATH, VCAP_SERVICES, SERVICE_BINDING_ROOT,
 * /bindings, /etc/secrets/sapcp, /etc/secrets/sapbtp, default-env.json.
 */
export const locateServiceKey = (options: LocateOptions): FoundKey | MissingKey => {
  const located = locateCredentials(options)
  if (!located.ok) return located
  const { credentials, ...rest } = located
  const parsed = parseServiceKey(credentials, options)
  if (parsed.ok) return { ...rest, key: parsed.key }
  const problems = [...rest.warnings, ...withOrigin(rest.origin, parsed.problems)]
  return { ok: false, reason: 'invalid', problems, attempts: rest.attempts }
}

const read = (
  routes: readonly [RoutePoint, ...RoutePoint[]],
  options: KeySourceOptions,
): ReturnType<KeySource['read']> => {
  const [{ target, binding = options.binding }] = routes
  const located = locateCredentials({ ...options, target, binding })
  if (!located.ok) return located
  const { credentials, origin, watch, warnings } = located
  const parsed = routes.map(({ prefix, target }) => ({
    prefix,
    parsed: parseServiceKey(credentials, { ...options, target }),
  }))
  const keys = parsed.flatMap(({ prefix, parsed }) =>
    parsed.ok ? [{ prefix, key: parsed.key }] : [],
  )
  const problems = new Set(parsed.flatMap(({ parsed }) => (parsed.ok ? [] : parsed.problems)))
  return problems.size === 0
    ? { ok: true, keys: keys as [RoutedKey, ...RoutedKey[]], origin, watch, warnings }
    : {
        ok: false,
        reason: 'invalid',
        problems: [...warnings, ...[...problems].map((problem) => `${origin}: ${problem}`)],
      }
}

const unbound = (
  attempts: readonly Attempt[],
  { binding, service }: BindingSelection,
): MissingKey => {
  const wanted =
    binding === undefined
      ? `no binding of SKP_SERVICE=${quotedInput(service)} found`
      : `no binding named ${quotedInput(binding)} (SKP_BINDING or SKP_MOUNTS) found`
  const tried = attempts.map((attempt) => `${attempt.place} (${describeFound(attempt)})`)
  const problem = `${wanted}; looked at ${tried.join('; ')}`
  return { ok: false, reason: 'unbound', problems: [problem], wanted, attempts }
}
