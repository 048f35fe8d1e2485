/**
 * The head of an answer on its way to the caller. It waits for what arrived together with it, so
 * that both go out in one write, but for nothing more: a caller is told at once that the API has
 * begun to answer.
 */
import type { ServerResponse } from 'node:http'

/** A reason phrase says nothing (RFC 9112 §4), so that what Node would not write is left out. */
const reasonPhrase = (text: string): string => (/^[\t\x20-\x7e]*$/.test(text) ? text : '')

export class AnswerHead {
  readonly status: number
  readonly #response: ServerResponse
  readonly #text: string
  readonly #headers: string[]
  #held = true

  /** @param headers alternating names and values */
  constructor(response: ServerResponse, status: number, text: string, headers: string[]) {
    this.status = status
    this.#response = response
    this.#text = reasonPhrase(text)
    this.#headers = headers
    const flush = (): void => {
      if (this.send()) response.flushHeaders()
    }
    queueMicrotask(() => {
      // A body that is broken from its first byte on shows when its socket has closed, which is
      // after the next round of the event loop.
      if (this.#held) setImmediate(() => setImmediate(flush))
    })
  }

  /** @returns whether it had still to be sent */
  send(): boolean {
    if (!this.#held) return false
    this.#held = false
    this.#response.writeHead(this.status, this.#text, this.#headers)
    return true
  }

  /** It will not be sent any more; an answer of the proxy itself takes its place. */
  drop(): void {
    this.#held = false
  }
}
