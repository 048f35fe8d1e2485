/** A grant that tries again by the retry schedule, within the limits of one attempt. */
import { elapsed, sleep, type Clock } from '../clock.ts'
import { ATTEMPT_LIMIT_MS, retryDelay } from './retry-schedule.ts'
import type { GrantOutcome, TokenGrant } from './token-source.ts'

export interface RetryingGrantOptions {
  readonly grant: TokenGrant
  readonly clock: Clock
  /** In [0, 1). */
  readonly random: () => number
}

const attempt = async (
  { grant, clock, random }: RetryingGrantOptions,
  signal: AbortSignal,
): Promise<GrantOutcome> => {
  const startedAt = clock.now()
  let outcome = await grant.request(signal)
  for (let failedTries = 1; !outcome.ok; failedTries += 1) {
    const delay = retryDelay(outcome.failure, failedTries, random())
    const spent = elapsed(startedAt, clock.now())
    if (delay === undefined || spent + delay >= ATTEMPT_LIMIT_MS) break
    // oxlint-disable-next-line no-await-in-loop -- tries follow one another by nature
    await sleep(clock, delay, signal)
    if (signal.aborted) break
    // oxlint-disable-next-line no-await-in-loop -- see above
    outcome = await grant.request(signal)
  }
  return outcome
}

export const retryingGrant = (options: RetryingGrantOptions): TokenGrant => ({
  async request(signal) {
    const limit = new AbortController()
    const cancel = options.clock.schedule(ATTEMPT_LIMIT_MS, () => limit.abort())
    const outcome = await attempt(options, AbortSignal.any([signal, limit.signal]))
    cancel()
    return outcome
  },
})
