/**
 * A response on its way to the caller, as it is. Its head is held for what arrives together with it, so
 * that all of a small response goes out in one write.
 */
import type { ServerResponse } from 'node:http'
import type { Call } from './request-context.ts'
import { streamed } from './streamed-memory.ts'

/** Where the body of a response goes. */
export interface ResponseWriter {
  readonly status: number
  /** @returns whether more is welcome; else `resume` is called once it is */
  write(chunk: Buffer): boolean
  /** Nothing more comes soon: what is there should be on its way. */
  flush(): void
  end(): void
  /** The exchange has failed: what has not been sent will not be sent any more. */
  drop(): void
}

export interface WriterOptions extends Call {
  readonly status: number
  readonly text: string
  /** Alternating names and values. */
  readonly headers: string[]
  /** Asks for more of the body. */
  readonly resume: () => void
}

export class PlainWriter implements ResponseWriter {
  readonly status: number
  readonly #head: ResponseHead
  readonly #response: ServerResponse
  readonly #context: Call['context']
  /** Until it is called at every drain. */
  #resume: (() => void) | undefined

  constructor({ response, context, status, text, headers, resume }: WriterOptions) {
    this.status = status
    this.#response = response
    this.#context = context
    this.#head = new ResponseHead(response, status, text, headers)
    this.#resume = resume
  }

  write(chunk: Buffer): boolean {
    streamed(chunk.length)
    this.#context.responseBytes += chunk.length
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

/**
 * Ends an answer whose head has not gone out with all of its body. As latin1, bytes stay bytes, and
 * Node makes one string and one write of head and body.
 */
export const endWhole = (response: ServerResponse, body: Buffer): void => {
  if (body.length <= MAX_JOINED_BYTES) response.end(body.toString('latin1'), 'latin1')
  else response.end(body)
}

export class ResponseHead {
  readonly status: number
  readonly #response: ServerResponse
  readonly #text: string
  readonly #headers: string[]
  #held = true
  /** The piece of the body that arrived together with it. */
  #piece: Buffer | undefined

  /** @param headers alternating names and values */
  constructor(response: ServerResponse, status: number, text: string, headers: string[]) {
    this.status = status
    this.#response = response
    this.#text = reasonPhrase(text)
    this.#headers = headers
  }

  /** Sends it, and what is held with it. */
  flush(): void {
    if (this.send()) this.#response.flushHeaders()
  }

  /** @returns whether the piece goes out together with the head; if not, it has to be written */
  hold(piece: Buffer): boolean {
    if (!this.#held || this.#piece !== undefined) return false
    this.#piece = piece
    return true
  }

  /** @returns whether it had still to be sent */
  send(): boolean {
    if (!this.#held) return false
    this.#held = false
    this.#response.writeHead(this.status, this.#text, this.#headers)
    if (this.#piece !== undefined) this.#response.write(this.#piece)
    return true
  }

  /** Ends the answer, after what was held. */
  end(): void {
    const piece = this.#piece
    if (!this.#held || piece === undefined) {
      this.send()
      this.#response.end()
      return
    }
    this.#held = false
    this.#response.writeHead(this.status, this.#text, this.#headers)
    endWhole(this.#response, piece)
  }

  /** It will not be sent any more; an answer of the proxy itself takes its place. */
  drop(): void {
    this.#held = false
  }
}

/** A string of this size joins the head; larger ones would be copied once more on their way out. */
const MAX_JOINED_BYTES = 12 * 1024

/** A reason phrase says nothing (RFC 9112 §4), so that what Node would not write is left out. */
const reasonPhrase = (text: string): string => (/^[\t\x20-\x7e]*$/.test(text) ? text : '')
