/** The one timer of a token source: arming it again replaces it. */
import { elapsed, type Clock, type Instant } from '../clock.ts'

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
