/** Whether requests should come here, and why not in words. Pure. */
import type { Phase } from '../lifecycle.ts'
import type { TokenState } from '../token/token-source.ts'

/** What is known about one service key. */
export interface KeyState {
  /** What tells it from others. */
  readonly name: string
  readonly token: TokenState
  /** Why what the platform delivers now is not in use; `undefined`: it is. */
  readonly refused: string | undefined
}

export interface Readiness {
  readonly ready: boolean
  /** May be there for a proxy that is ready, too: then they are to be mended, but not urgent. */
  readonly reasons: readonly string[]
}

const tokenReason = ({ freshness, lastOutcome, idle }: TokenState): string | undefined => {
  if (freshness === 'fresh' || freshness === 'soft' || idle) return undefined
  return 'reason' in lastOutcome
    ? `no usable token: the token server ${lastOutcome.reason}`
    : 'no usable token yet'
}

const refusal = ({ refused }: KeyState): string | undefined =>
  refused === undefined
    ? undefined
    : `the service key has changed, but cannot be used; the old one is kept: ${refused}`

/**
 * Ready means a usable token in hand, or one that lapsed only because nobody asked for anything:
 * else an idle proxy would lose its traffic for good. Of several keys one is enough: the requests of
 * the others are answered with the reason, and those of this one must not be lost. API failures do
 * not count.
 */
export const readinessOf = (phase: Phase, keys: readonly KeyState[]): Readiness => {
  const stopping = phase !== 'running'
  const prefix = ({ name }: KeyState): string => (keys.length > 1 ? `key "${name}": ` : '')
  const reasons = keys.flatMap((key) =>
    [tokenReason(key.token), refusal(key)]
      .filter((reason) => reason !== undefined)
      .map((reason) => prefix(key) + reason),
  )
  const usable = keys.some(({ token }) => tokenReason(token) === undefined)
  return { ready: usable && !stopping, reasons: stopping ? ['stopping', ...reasons] : reasons }
}
