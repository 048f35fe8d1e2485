/**
 * The keys that are served: one source for each binding that the mounts name, to be read at the start
 * and again whenever it may have changed.
 */
import { locateCredentials, type MissingKey, type SearchOptions } from './locate.ts'
import type { WatchedPlace } from './one-generation.ts'
import { parseServiceKey, type ServiceKey, type ServiceKeyOptions } from './service-key.ts'

/** Where a base URL is served, and which one it is. */
export interface MountPoint {
  /** Empty for the root. */
  readonly prefix: string
  /** Binding or instance name; `undefined`: the one that the other options select. */
  readonly binding: string | undefined
  /** Field of the key with the base URL. */
  readonly target: string
}

export interface MountedKey {
  readonly prefix: string
  readonly key: ServiceKey
}

/** One binding as it is now. Its keys differ in nothing but their base URL. */
export interface KeyReading {
  readonly ok: true
  readonly keys: readonly [MountedKey, ...MountedKey[]]
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

export type KeySourceOptions = Omit<SearchOptions, 'target'> & Omit<ServiceKeyOptions, 'target'>

const read = (
  mounts: readonly [MountPoint, ...MountPoint[]],
  options: KeySourceOptions,
): ReturnType<KeySource['read']> => {
  const [{ target, binding = options.binding }] = mounts
  const located = locateCredentials({ ...options, target, binding })
  if (!located.ok) return located
  const { credentials, origin, watch, warnings } = located
  const parsed = mounts.map(({ prefix, target }) => ({
    prefix,
    parsed: parseServiceKey(credentials, { ...options, target }),
  }))
  const keys = parsed.flatMap(({ prefix, parsed }) =>
    parsed.ok ? [{ prefix, key: parsed.key }] : [],
  )
  const problems = new Set(parsed.flatMap(({ parsed }) => (parsed.ok ? [] : parsed.problems)))
  return problems.size === 0
    ? { ok: true, keys: keys as [MountedKey, ...MountedKey[]], origin, watch, warnings }
    : {
        ok: false,
        reason: 'invalid',
        problems: [...warnings, ...[...problems].map((problem) => `${origin}: ${problem}`)],
      }
}

/** In the order in which the mounts name their bindings. */
export const keySources = (
  mounts: readonly MountPoint[],
  options: KeySourceOptions,
): readonly KeySource[] => {
  const groups = new Map<string | undefined, [MountPoint, ...MountPoint[]]>()
  for (const mount of mounts) {
    const group = groups.get(mount.binding)
    if (group === undefined) groups.set(mount.binding, [mount])
    else group.push(mount)
  }
  return [...groups].map(([binding, group]) => ({
    name: binding ?? options.binding ?? options.service,
    read: () => read(group, options),
  }))
}
