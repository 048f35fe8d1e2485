/** Whether requests should come here, and why not in words. Pure. */
import type { Phase } from '../lifecycle.ts'
import type { TokenState } from '../token/token-source.ts'

export interface Readiness {
  readonly ready: boolean
  readonly reasons: readonly string[]
}

const tokenReason = ({ freshness, lastFailure, idle }: TokenState): string | undefined => {
  if (freshness === 'fresh' || freshness === 'soft' || idle) return undefined
  return lastFailure === undefined
    ? 'no usable token yet'
    : `no usable token: the token server ${lastFailure.reason}`
}

/**
 * Ready means a usable token in hand, or one that lapsed only because nobody asked for anything:
 * else an idle proxy would lose its traffic for good. API failures do not count.
 */
export const readinessOf = (phase: Phase, token: TokenState): Readiness => {
  const reasons = [phase === 'running' ? undefined : 'stopping', tokenReason(token)].filter(
    (reason) => reason !== undefined,
  )
  return { ready: reasons.length === 0, reasons }
}
