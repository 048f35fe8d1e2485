/** Adds to the failure of a rejected credential what is to be done about it. */
import type { TokenGrant } from './token-source.ts'

/** @param advice public, see TokenFailure */
export const advisedGrant = (grant: TokenGrant, advice: string): TokenGrant => ({
  async request(signal) {
    const outcome = await grant.request(signal)
    return outcome.ok || outcome.failure.kind !== 'rejected'
      ? outcome
      : { ok: false, failure: { ...outcome.failure, advice } }
  },
})
