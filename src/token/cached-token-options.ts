/** What a token source is built from. */
import type { Clock } from '../clock.ts'
import type { Credential, GrantOutcome } from './token-source.ts'

export interface CachedTokenSourceOptions {
  readonly credential: Credential
  readonly clock: Clock
  /** In [0, 1). */
  readonly random: () => number
  /** How long a caller waits for a token at most, in ms. */
  readonly waitLimit: number
  /** Told of the outcome of every fetch. */
  readonly onOutcome: (outcome: GrantOutcome) => void
  /** Asked when the credential in use is rejected: there may be a new one to replace it by. */
  readonly onRejected?: () => Promise<void>
}
