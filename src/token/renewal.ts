/** When a token is renewed: by a timer, and as often as the API may force it. */
import { type Clock, elapsed, type Instant } from '../clock.ts'

/**
 * How often a 401 of the API may force a new token. An API that answers 401 to good tokens must not
 * turn every request into a token request.
 */
export class RenewalLimit {
  #lastAt: Instant | undefined
  #closedAt: Instant | undefined
  #givenBackAt: Instant | undefined
  #youngRejections = 0
  /** The last one counted: many requests at once carry the same token, and say the same thing. */
  #counted: object | undefined

  /**
   * @param token what was rejected, told apart by identity
   * @param age of the rejected token in ms
   * @returns whether a renewal may be forced now
   */
  allows(token: object, age: number, now: Instant): boolean {
    if (this.#closedAt !== undefined && elapsed(this.#closedAt, now) < CLOSED_MS) return false
    if (age < YOUNG_MS && token !== this.#counted) {
      this.#counted = token
      this.#youngRejections += 1
    }
    if (this.#youngRejections >= MAX_YOUNG_REJECTIONS) {
      this.#youngRejections = 0
      this.#closedAt = now
      return false
    }
    if (this.#lastAt !== undefined && elapsed(this.#lastAt, now) < MIN_INTERVAL_MS) return false
    this.#lastAt = now
    return true
  }

  /** The API answered something else than 401: tokens do work. Called for every answer. */
  accepted(): void {
    this.#youngRejections = 0
  }

  /** The last renewal was for a path's own answer: it does not count, once in the time of one. */
  giveBack(now: Instant): void {
    const before = this.#givenBackAt
    if (before !== undefined && elapsed(before, now) < MIN_INTERVAL_MS) return
    this.#givenBackAt = now
    this.#lastAt = undefined
  }
}

/** Paths that answer 401 whatever the token: what they say forces nothing for a while. */
export class OwnAnswers {
  readonly #since = new Map<string, Instant>()

  /** @param target path and query */
  has(target: string, now: Instant): boolean {
    const since = this.#since.get(pathOf(target))
    return since !== undefined && elapsed(since, now) < CLOSED_MS
  }

  add(target: string, now: Instant): void {
    const path = pathOf(target)
    this.delete(target)
    const [oldest] = this.#since.keys()
    if (this.#since.size >= MAX_PATHS) this.#since.delete(oldest as string)
    // A copy, because a piece of a string holds the whole of it.
    if (path.length <= MAX_PATH_LENGTH) this.#since.set(Buffer.from(path).toString(), now)
  }

  /** Called for every answer but 401. */
  delete(target: string): void {
    if (this.#since.size > 0) this.#since.delete(pathOf(target))
  }
}

const pathOf = (target: string): string => target.split('?', 1)[0] as string

const MAX_PATHS = 100

const MAX_PATH_LENGTH = 1_000

/** The one timer of a token source: arming it again replaces it. */
export class RenewalTimer {
  readonly #clock: Clock
  readonly #onDue: () => void
  #cancel: (() => void) | undefined
  #armed: { readonly at: Instant; readonly delay: number } | undefined

  constructor(clock: Clock, onDue: () => void) {
    this.#clock = clock
    this.#onDue = onDue
  }

  get isArmed(): boolean {
    return this.#cancel !== undefined
  }

  /** ms until it is due; `undefined`: it is not armed. */
  get dueIn(): number | undefined {
    return (
      this.#armed && Math.max(0, this.#armed.delay - elapsed(this.#armed.at, this.#clock.now()))
    )
  }

  /** @param delay in ms */
  arm(delay: number): void {
    this.cancel()
    this.#armed = { at: this.#clock.now(), delay }
    this.#cancel = this.#clock.schedule(delay, () => {
      this.#cancel = undefined
      this.#armed = undefined
      this.#onDue()
    })
  }

  cancel(): void {
    this.#cancel?.()
    this.#cancel = undefined
    this.#armed = undefined
  }
}

/** A token younger than this cannot have become bad by itself. */
const YOUNG_MS = 10_000

/** So many young tokens rejected, with no token accepted in between, close the door … */
const MAX_YOUNG_REJECTIONS = 3

/** … for this time. */
const CLOSED_MS = 60_000

/** At most one forced renewal in this time. */
const MIN_INTERVAL_MS = 10_000
