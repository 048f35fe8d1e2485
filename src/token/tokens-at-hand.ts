/**
 * The tokens that could be sent, and which of them is the best. A 401 does not throw a token away: it
 * may be the path's own answer, and until there is another token it is all that the others have.
 */
import type { Instant } from '../clock.ts'
import { type AccessToken, freshness } from './access-token.ts'
import type { Refusal } from './token-source.ts'

export class TokensAtHand {
  /** Answered with 401, and not accepted since. */
  readonly #refused = new WeakSet<AccessToken>()
  /** Of the credential before, used up to its soft point. */
  #kept: AccessToken | undefined
  /** The last one that was replaced while it was good; an API whose clock is behind still wants it. */
  #previous: AccessToken | undefined

  /** Rather one that no 401 has met, rather one with time left. @param latest whatever its age */
  best(latest: AccessToken | undefined, now: Instant): AccessToken | undefined {
    // What nearly every request meets.
    if (this.#kept === undefined && latest !== undefined && this.#isServedGood(latest, now)) {
      return latest
    }
    const tokens = this.#inOrder(latest, now)
    return (
      tokens.find((token) => this.#isServedGood(token, now)) ??
      tokens.find((token) => isServed(token, now)) ??
      tokens.find((token) => freshness(token, now) !== 'expired') ??
      latest
    )
  }

  /** A good one for a request that got 401 with others. After a younger one only older ones count. */
  untried(
    latest: AccessToken | undefined,
    { tokens, since }: Pick<Refusal, 'tokens' | 'since'>,
    now: Instant,
  ): AccessToken | undefined {
    const isOver = tokens.some((token) => isYounger(token, since))
    return this.#inOrder(latest, now).find(
      (token) =>
        this.#isGood(token, now) && !tokens.includes(token) && !(isOver && isYounger(token, since)),
    )
  }

  /** The credential changes: this one stays in use. */
  keep(token: AccessToken | undefined): void {
    this.#kept = token
  }

  /** There is a later one of the same credential. */
  replaced(token: AccessToken, now: Instant): void {
    if (this.#isGood(token, now)) this.#previous = token
  }

  refuse(token: AccessToken): void {
    this.#refused.add(token)
  }

  /** Called for every answer but 401. */
  accept(token: AccessToken): void {
    this.#refused.delete(token)
  }

  #inOrder(latest: AccessToken | undefined, now: Instant): readonly AccessToken[] {
    const kept = this.#kept
    if (kept !== undefined && (freshness(kept, now) !== 'fresh' || this.#refused.has(kept))) {
      this.#kept = undefined
      this.replaced(kept, now)
    }
    return [this.#kept, latest, this.#previous].filter((token) => token !== undefined)
  }

  #isServedGood(token: AccessToken, now: Instant): boolean {
    return !this.#refused.has(token) && isServed(token, now)
  }

  #isGood(token: AccessToken, now: Instant): boolean {
    return !this.#refused.has(token) && freshness(token, now) !== 'expired'
  }
}

/** Without waiting for another one. */
export const isServed = (token: AccessToken, now: Instant): boolean => {
  const age = freshness(token, now)
  return age === 'fresh' || age === 'soft'
}

/** Whether it was requested after that moment: one granted before says nothing about the next. */
export const isYounger = (token: AccessToken, since: Instant): boolean =>
  token.requestedAt.monotonic >= since.monotonic
