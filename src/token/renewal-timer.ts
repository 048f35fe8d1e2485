/** The one timer of a token source: arming it again replaces it. */
import type { Clock } from '../clock.ts'

export class RenewalTimer {
  readonly #clock: Clock
  readonly #onDue: () => void
  #cancel: (() => void) | undefined

  constructor(clock: Clock, onDue: () => void) {
    this.#clock = clock
    this.#onDue = onDue
  }

  get isArmed(): boolean {
    return this.#cancel !== undefined
  }

  /** @param delay in ms */
  arm(delay: number): void {
    this.cancel()
    this.#cancel = this.#clock.schedule(delay, () => {
      this.#cancel = undefined
      this.#onDue()
    })
  }

  cancel(): void {
    this.#cancel?.()
    this.#cancel = undefined
  }
}
