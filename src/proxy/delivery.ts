/** When an answer goes out: at the ends of turns, see turn.ts. */
import type { ServerResponse } from 'node:http'
import type { Answer } from './answer.ts'
import type { Turn, TurnTask } from './turn.ts'

/**
 * A caller is told soon that the API has begun to answer, but a body that is broken from its first byte
 * on shows when its socket has closed, which is in the next turn.
 */
const HEAD_TURNS = 1

/** Whoever has an answer delivered. */
export interface Sender {
  /** It cannot be sent. */
  onError(error: Error): void
  /** All of it is on its way, but the caller has not taken it yet. */
  onUntaken(): void
}

export class Delivery implements TurnTask {
  readonly answer: Answer
  readonly #turn: Turn
  readonly #response: ServerResponse
  readonly #sender: Sender
  #isComplete = false
  #isCancelled = false
  /** The end of a turn is waited for. */
  #isDue = false
  /** Turns that the head still waits for what comes behind it. */
  #patience = HEAD_TURNS

  constructor(turn: Turn, answer: Answer, response: ServerResponse, sender: Sender) {
    this.#turn = turn
    this.answer = answer
    this.#response = response
    this.#sender = sender
    this.#await()
  }

  /** All of the answer is there. */
  complete(): void {
    this.#isComplete = true
    this.#await()
  }

  /** What has not been sent will not be sent any more. */
  cancel(): void {
    this.#isCancelled = true
    this.answer.drop()
  }

  endOfTurn(): void {
    this.#isDue = false
    if (this.#isCancelled) return
    try {
      if (this.#isComplete) this.#end()
      else if (this.#patience === 0) this.answer.flush()
      else {
        this.#patience -= 1
        this.#await()
      }
    } catch (error) {
      this.#sender.onError(error as Error)
    }
  }

  #end(): void {
    this.answer.end()
    if (this.#response.writableLength > 0) this.#sender.onUntaken()
  }

  #await(): void {
    if (this.#isDue) return
    this.#isDue = true
    this.#turn.add(this)
  }
}
