/**
 * Limits on waiting for the API. Nearly every wait ends in time, and a timer for each, as undici has
 * them, costs memory: of those that were stopped, tens of thousands pile up in a second. Here one clock
 * ticks for all waits, and counts for each the ticks in which nothing has arrived.
 */
import type { ServerResponse } from 'node:http'
import { errors } from 'undici'
import type { Clock } from '../clock.ts'
import type { TimeLimits } from './upstream-errors.ts'

/** What can give up an exchange. */
interface Controller {
  abort(reason: Error): void
}

/** One exchange that waits for the API. */
export class ApiWait {
  readonly response: ServerResponse
  readonly controller: Controller
  hasHead = false
  /** Ticks since something arrived. */
  quiet = 0
  readonly #limits: ApiLimits
  readonly place: number

  constructor(response: ServerResponse, controller: Controller, limits: ApiLimits, place: number) {
    this.response = response
    this.controller = controller
    this.#limits = limits
    this.place = place
  }

  /** @param isFinal whether the head of the answer itself is there by now */
  arrived(isFinal: boolean): void {
    this.quiet = 0
    this.hasHead = isFinal
  }

  end(): void {
    this.#limits.end(this)
  }
}

export class ApiLimits {
  readonly #clock: Clock
  readonly #tickMs: number
  /** In ticks. The first one of a wait may come at once, and does not count. */
  readonly #headTicks: number
  readonly #bodyTicks: number
  /**
   * Places that are taken again and again: a Set makes itself anew from time to time, and old ones, as
   * long as they are not collected, keep what was in them.
   */
  readonly #waits: (ApiWait | undefined)[] = []
  readonly #free: number[] = []
  #isTicking = false

  constructor(
    clock: Clock,
    { responseTimeout, idleTimeout }: Pick<TimeLimits, 'responseTimeout' | 'idleTimeout'>,
  ) {
    this.#clock = clock
    this.#tickMs = Math.min(responseTimeout / TICKS, idleTimeout / TICKS, MAX_TICK_MS)
    this.#headTicks = Math.ceil(responseTimeout / this.#tickMs) + 1
    this.#bodyTicks = Math.ceil(idleTimeout / this.#tickMs) + 1
  }

  /** @param controller told to abort, with the reason, once the API has been silent for too long */
  begin(response: ServerResponse, controller: Controller): ApiWait {
    const place = this.#free.pop() ?? this.#waits.length
    const wait = new ApiWait(response, controller, this, place)
    this.#waits[place] = wait
    if (!this.#isTicking) this.#arm()
    return wait
  }

  end(wait: ApiWait): void {
    const { place } = wait
    if (this.#waits[place] !== wait) return
    this.#waits[place] = undefined
    this.#free.push(place)
  }

  #arm(): void {
    this.#isTicking = true
    this.#clock.schedule(this.#tickMs, () => this.#tick(), { background: true })
  }

  #tick(): void {
    this.#isTicking = false
    for (const wait of this.#waits) if (wait !== undefined) this.#judge(wait)
    if (this.#free.length < this.#waits.length) this.#arm()
  }

  #judge(wait: ApiWait): void {
    // It is the caller who does not take what has arrived, and there is a limit for that, too.
    wait.quiet = wait.response.writableNeedDrain ? 0 : wait.quiet + 1
    if (wait.quiet < (wait.hasHead ? this.#bodyTicks : this.#headTicks)) return
    wait.end()
    wait.controller.abort(
      wait.hasHead ? new errors.BodyTimeoutError() : new errors.HeadersTimeoutError(),
    )
  }
}

/** A limit is kept to within an eighth of the shorter of the two, or a second if that is less. */
const TICKS = 8

const MAX_TICK_MS = 1_000
