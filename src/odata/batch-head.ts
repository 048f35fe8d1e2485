/** The head of a part of a `$batch` body, or of the request or answer in it. Pure. */
import { delimiterOf } from './rewritable-type.ts'

const CONTENT_LENGTH = /^content-length[ \t]*:[ \t]*(\d+)[ \t]*$/i
const CONTENT_TYPE = /^content-type[ \t]*:[ \t]*(.*)$/i

/**
 * `text`: whatever stands before the next delimiter. `part`: the head of a part. `message`: the head
 * of the request or answer in an `application/http` part.
 */
export type Section = 'text' | 'part' | 'message'

/** @returns the length of the head that these bytes begin with, its blank line included; or -1 */
export const headLength = (bytes: Buffer): number => {
  for (let end = bytes.indexOf(0x0a); end !== -1; end = bytes.indexOf(0x0a, end + 1)) {
    const isBlank = end === 0 || bytes[end - 1] === 0x0a
    if (isBlank || (bytes[end - 1] === 0x0d && (end === 1 || bytes[end - 2] === 0x0a))) {
      return end + 1
    }
  }
  return -1
}

export class BatchHead {
  /** With their line breaks. */
  readonly #lines: readonly string[]

  constructor(bytes: Buffer) {
    this.#lines = bytes.toString('latin1').split(/(?<=\n)/)
  }

  #value(pattern: RegExp): string | undefined {
    return this.#lines.map((line) => pattern.exec(line.trimEnd())?.[1]).find(Boolean)
  }

  /** Bytes of what follows, if the head says so. */
  get contentLength(): number | undefined {
    const digits = this.#value(CONTENT_LENGTH)
    return digits === undefined ? undefined : Number(digits)
  }

  /** What stands between the parts of what follows, if it has parts. */
  get delimiter(): string | undefined {
    return delimiterOf(this.#value(CONTENT_TYPE) ?? '')
  }

  /** What follows the head of a part. */
  get content(): Section {
    return /^application\/http\s*(?:;|$)/i.test(this.#value(CONTENT_TYPE) ?? '')
      ? 'message'
      : 'text'
  }

  /** @param contentLength `undefined`: the head does not say */
  print(rewriteLine: (line: string) => string, contentLength: number | undefined): Buffer {
    const lines = this.#lines.map((line) => {
      const text = line.replace(/\r?\n$/, '')
      const lineBreak = line.slice(text.length)
      if (!CONTENT_LENGTH.test(text)) return rewriteLine(text) + lineBreak
      return contentLength === undefined
        ? ''
        : text.replace(/\d+[ \t]*$/, String(contentLength)) + lineBreak
    })
    return Buffer.from(lines.join(''), 'latin1')
  }
}
