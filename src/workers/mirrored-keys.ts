/**
 * The service keys as a worker sees them: mounts with connections of its own, and token sources that
 * mirror those of the primary. A key that leads elsewhere gets new ones; what is under way finishes
 * with the old.
 */
import type { Clock } from '../clock.ts'
import type { ProxyFor } from '../outbound-proxy.ts'
import { basePathOf, type Mount } from '../proxy/mount.ts'
import { UpstreamPool, type UpstreamOptions } from '../proxy/upstream.ts'
import { MirroredTokenSource, type MirrorOptions } from './mirrored-token-source.ts'
import type { KeyCopy } from './protocol.ts'

export interface MirroredKeysOptions extends Omit<MirrorOptions, 'source'> {
  readonly upstream: Omit<UpstreamOptions, 'origin' | 'proxy'>
  readonly proxyFor: ProxyFor
  readonly clock: Clock
}

interface MirroredKey {
  readonly source: number
  readonly tokens: MirroredTokenSource
  readonly mounts: readonly Mount[]
  readonly close: () => Promise<unknown>
}

/** As long as the primary keeps the token source of a key that led elsewhere. */
const RETIRED_MS = 600_000

export class MirroredKeys {
  readonly #options: MirroredKeysOptions
  readonly #keys = new Map<number, MirroredKey>()
  readonly #retired = new Map<MirroredKey, () => void>()
  #mounts: readonly Mount[] = []

  constructor(options: MirroredKeysOptions) {
    this.#options = options
  }

  /** Another array once it has changed. */
  get mounts(): readonly Mount[] {
    return this.#mounts
  }

  update(copy: KeyCopy): void {
    const known = this.#keys.get(copy.key)
    if (known?.source === copy.source) return known.tokens.update(copy)
    const next = this.#create(copy)
    next.tokens.update(copy)
    this.#keys.set(copy.key, next)
    this.#mounts = [...this.#keys.values()].flatMap(({ mounts }) => mounts)
    if (known !== undefined) this.#retire(known)
  }

  /** Ends everything at once, requests under way included. */
  async close(): Promise<void> {
    for (const cancel of this.#retired.values()) cancel()
    const all = [...this.#keys.values(), ...this.#retired.keys()]
    await Promise.all(all.map((key) => key.close()))
  }

  #create({ source, mounts }: KeyCopy): MirroredKey {
    const { upstream, proxyFor } = this.#options
    const tokens = new MirroredTokenSource({ ...this.#options, source })
    const bases = mounts.map(({ prefix, baseUrl }) => ({ prefix, baseUrl: new URL(baseUrl) }))
    const origins = new Set(bases.map(({ baseUrl }) => baseUrl.origin))
    const pools = new Map(
      Array.from(origins, (origin) => {
        const proxy = proxyFor(new URL(origin))
        return [origin, new UpstreamPool({ ...upstream, origin, proxy })]
      }),
    )
    return {
      source,
      tokens,
      mounts: bases.map(({ prefix, baseUrl }) => ({
        prefix,
        baseUrl,
        basePath: basePathOf(baseUrl),
        upstream: pools.get(baseUrl.origin) as UpstreamPool,
        tokens,
      })),
      close: () => Promise.all(Array.from(pools.values(), (pool) => pool.destroy())),
    }
  }

  #retire(old: MirroredKey): void {
    const cancel = this.#options.clock.schedule(RETIRED_MS, () => {
      this.#retired.delete(old)
      void old.close()
    })
    this.#retired.set(old, cancel)
  }
}
