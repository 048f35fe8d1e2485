/** Counts what passes through a grant. */
import type { Clock } from '../clock.ts'
import type { TokenGrant } from '../token/token-source.ts'
import type { ProxyMetrics } from './proxy-metrics.ts'

/** @param grant one exchange with the token server each time */
export const countedGrant = (grant: TokenGrant, metrics: ProxyMetrics): TokenGrant => ({
  async request(signal) {
    const outcome = await grant.request(signal)
    metrics.tokenRequested(outcome.ok ? 'granted' : outcome.failure.kind)
    return outcome
  },
})

/** @param grant one attempt to get a token each time, repetitions included */
export const timedGrant = (grant: TokenGrant, metrics: ProxyMetrics, clock: Clock): TokenGrant => ({
  async request(signal) {
    const startedAt = clock.now().monotonic
    const outcome = await grant.request(signal)
    metrics.tokenRefreshed(clock.now().monotonic - startedAt)
    return outcome
  },
})
