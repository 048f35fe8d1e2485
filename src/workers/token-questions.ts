/** Callers of a worker that wait for the primary to have a token. */
import { within, type Clock } from '../clock.ts'
import type { ToPrimary, WireOutcome } from './protocol.ts'

export interface TokenQuestionsOptions {
  readonly clock: Clock
  /** How long a caller waits at most, in ms; the primary keeps to it, this is for one that is stuck. */
  readonly waitLimit: number
  readonly send: (message: ToPrimary) => void
}

const NEVER = new AbortController().signal
const NO_ANSWER: WireOutcome = { ok: false, failure: { code: 'token_unavailable', retryAfter: 1 } }

export class TokenQuestions {
  readonly #options: TokenQuestionsOptions
  readonly #open = new Map<number, (outcome: WireOutcome) => void>()
  #last = 0

  constructor(options: TokenQuestionsOptions) {
    this.#options = options
  }

  /** Never rejects. @param left aborted when the caller does not wait any more */
  async ask(source: number, left: AbortSignal = NEVER): Promise<WireOutcome> {
    const { clock, waitLimit, send } = this.#options
    this.#last += 1
    const id = this.#last
    const answer = new Promise<WireOutcome>((resolve) => {
      this.#open.set(id, resolve)
    })
    send({ kind: 'ask', source, id })
    const outcome = await within(clock, waitLimit, left, answer)
    this.#open.delete(id)
    if (outcome === undefined) send({ kind: 'leave', id })
    return outcome ?? NO_ANSWER
  }

  answered(id: number, outcome: WireOutcome): void {
    this.#open.get(id)?.(outcome)
  }
}
