/** The answer on its way to the caller, as it is. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { AnswerHead } from './answer-head.ts'
import type { Journal } from './journal.ts'
import { streamed } from './streamed-garbage.ts'

/** Where the body of an answer goes. */
export interface Answer {
  readonly status: number
  /** @returns whether more is welcome; else `resume` is called once it is */
  write(chunk: Buffer): boolean
  /** Nothing more comes soon: what is there should be on its way. */
  flush(): void
  end(): void
  /** The exchange has failed: what has not been sent will not be sent any more. */
  drop(): void
}

export interface AnswerOptions {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly journal: Journal
  readonly status: number
  readonly text: string
  /** Alternating names and values. */
  readonly headers: string[]
  /** Asks for more of the body. */
  readonly resume: () => void
}

export class PlainAnswer implements Answer {
  readonly status: number
  readonly #head: AnswerHead
  readonly #response: ServerResponse
  readonly #journal: Journal
  /** Until it is called at every drain. */
  #resume: (() => void) | undefined

  constructor({ response, journal, status, text, headers, resume }: AnswerOptions) {
    this.status = status
    this.#response = response
    this.#journal = journal
    this.#head = new AnswerHead(response, status, text, headers)
    this.#resume = resume
  }

  write(chunk: Buffer): boolean {
    streamed(chunk.length)
    this.#journal.responseBytes += chunk.length
    if (this.#head.hold(chunk)) return true
    this.#head.send()
    if (this.#response.write(chunk)) return true
    // Once, however many pieces are written to a full buffer.
    if (this.#resume !== undefined) this.#response.on('drain', this.#resume)
    this.#resume = undefined
    return false
  }

  flush(): void {
    this.#head.flush()
  }

  end(): void {
    this.#head.end()
  }

  drop(): void {
    this.#head.drop()
  }
}
