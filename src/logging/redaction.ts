/**
 * The last line of defence: whatever a log line is about to carry, known secrets are cut out of it
 * by value. Nothing in this program logs them on purpose; libraries and error texts might.
 */
import { Writable } from 'node:stream'

export class Redactor {
  #kept: readonly string[] = []
  #secrets: readonly string[] = []
  #tokens: readonly string[] = []
  #forms: readonly string[] = []

  /** For secrets that stay the same as long as the program runs. */
  keep(secret: string): void {
    this.#kept = [...this.#kept, secret]
    this.#update()
  }

  /** Of more than 16 the older ones are forgotten. */
  addSecret(secret: string): void {
    this.#secrets = appended(this.#secrets, secret, MAX_SECRETS)
    this.#update()
  }

  /** Of more than 8 the older ones are forgotten. */
  addToken(token: string): void {
    this.#tokens = appended(this.#tokens, token, MAX_TOKENS)
    this.#update()
  }

  redact(line: string): string {
    return this.#forms.reduce(
      (text, form) => (text.includes(form) ? text.replaceAll(form, REPLACEMENT) : text),
      line,
    )
  }

  #update(): void {
    this.#forms = [...this.#kept, ...this.#secrets, ...this.#tokens]
      .flatMap(formsOf)
      .toSorted(byLength)
  }
}

/**
 * Log lines on their way out of the process, without secrets. Many lines are looked through at once,
 * which costs a fraction of looking through each.
 *
 * @param stream its errors are swallowed from now on: a reader that is gone is nobody's business here
 * @returns takes whole lines, any number of them at once
 */
export const redactedLines = (stream: Writable, redactor: Redactor): Writable => {
  stream.on('error', () => {})
  return new Writable({
    decodeStrings: false,
    write(lines: string | Buffer, _encoding, done) {
      stream.write(redactor.redact(String(lines)), () => {
        if (waits) done()
      })
      // At once as long as the reader keeps up, else one after the other.
      const waits = stream.writableLength > 0
      if (!waits) done()
    },
  })
}

const appended = (values: readonly string[], value: string, max: number): readonly string[] =>
  value.length < MIN_LENGTH || values.includes(value) ? values : [...values, value].slice(-max)

/** Shorter values would blot out ordinary words. */
const MIN_LENGTH = 8

/** Credentials of all keys, and of those they replace. */
const MAX_SECRETS = 16

/** Tokens that may still be in use. */
const MAX_TOKENS = 8

/** The forms a secret can take inside a log line. */
const formsOf = (secret: string): readonly string[] => [
  ...new Set([
    secret,
    JSON.stringify(secret).slice(1, -1),
    encodeURIComponent(secret),
    new URLSearchParams({ '': secret }).toString().slice(1),
  ]),
]

/** Longest first, so that a secret inside another leaves no piece of the longer one behind. */
const byLength = (a: string, b: string): number => b.length - a.length

const REPLACEMENT = '[redacted]'
