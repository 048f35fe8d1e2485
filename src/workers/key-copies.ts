/** What workers know about the service keys, kept up to date: whoever changes is told of to all. */
import type { BoundKey } from '../bound-key.ts'
import type { Mount } from '../proxy/mount.ts'
import type { KeyCopy } from './protocol.ts'
import type { TokenDesk } from './token-desk.ts'

export interface KeyCopiesOptions {
  readonly keys: readonly Pick<BoundKey, 'mounts' | 'tokens'>[]
  readonly desk: TokenDesk
  readonly broadcast: (message: { readonly kind: 'key'; readonly copy: KeyCopy }) => void
}

interface Published {
  readonly mounts: readonly Mount[]
  readonly source: number
  /** As it was told last. */
  told: string
}

export class KeyCopies {
  readonly #options: KeyCopiesOptions
  readonly #published: Published[] = []

  constructor(options: KeyCopiesOptions) {
    this.#options = options
  }

  /** As they are now, for a worker that begins. */
  all(): readonly KeyCopy[] {
    return this.#options.keys.map((_key, index) => this.#copyOf(index))
  }

  /** Tells what has changed since the last time. */
  publish(): void {
    for (const copy of this.all()) {
      const published = this.#published[copy.key] as Published
      const text = JSON.stringify(copy)
      if (text === published.told) continue
      published.told = text
      this.#options.broadcast({ kind: 'key', copy })
    }
  }

  #copyOf(index: number): KeyCopy {
    const { keys, desk } = this.#options
    const { mounts, tokens } = keys[index] as Pick<BoundKey, 'mounts' | 'tokens'>
    let published = this.#published[index]
    // Another array: the key leads elsewhere, with a token source of its own.
    if (published?.mounts !== mounts) {
      published = { mounts, source: desk.add(tokens), told: '' }
      this.#published[index] = published
    }
    return {
      key: index,
      source: published.source,
      mounts: mounts.map(({ prefix, baseUrl }) => ({ prefix, baseUrl: baseUrl.href })),
      ...desk.copyOf(published.source),
    }
  }
}
