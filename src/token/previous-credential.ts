/**
 * The credential that was replaced. It stays valid for a while on the platform, and is asked where
 * the new one turns out to be rejected.
 */
import { elapsed, type Clock, type Instant } from '../clock.ts'
import type { AccessToken } from './access-token.ts'
import type { TokenFetches } from './token-fetches.ts'
import type { Credential } from './token-source.ts'

/** No rotation keeps a replaced credential alive for longer without saying so. */
const KEPT_MS = 24 * 3_600_000

export class PreviousCredential {
  readonly #clock: Clock
  #kept: { readonly credential: Credential; readonly since: Instant } | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  keep(credential: Credential): void {
    this.#kept = { credential, since: this.#clock.now() }
  }

  /** @returns `undefined`: there is none, it is too old, or gives no token either */
  async token(fetches: TokenFetches): Promise<AccessToken | undefined> {
    const kept = this.#kept
    if (kept === undefined || elapsed(kept.since, this.#clock.now()) > KEPT_MS) return undefined
    const token = await fetches.fetch(kept.credential)
    const rejected = fetches.scheduleOf(kept.credential).outcome.kind === 'rejected'
    if (rejected && kept === this.#kept) this.#kept = undefined
    return token
  }
}
