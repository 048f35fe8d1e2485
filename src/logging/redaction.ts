/**
 * The last line of defence: whatever a log line is about to carry, known secrets are cut out of it
 * by value. Nothing in this program logs them on purpose; libraries and error texts might.
 */

/** Shorter values would blot out ordinary words. */
const MIN_LENGTH = 8
/** The client secret, and the tokens that may still be in use. */
const MAX_SECRETS = 8

const REPLACEMENT = '[redacted]'

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

export class Redactor {
  #secrets: readonly string[] = []
  #forms: readonly string[] = []

  /** The first one is kept for good; of the tokens that follow, the older ones are forgotten. */
  add(secret: string): void {
    if (secret.length < MIN_LENGTH) return
    this.#secrets = [...this.#secrets, secret]
    if (this.#secrets.length > MAX_SECRETS) this.#secrets = this.#secrets.toSpliced(1, 1)
    this.#forms = this.#secrets.flatMap(formsOf).toSorted(byLength)
  }

  redact(line: string): string {
    return this.#forms.reduce(
      (text, form) => (text.includes(form) ? text.replaceAll(form, REPLACEMENT) : text),
      line,
    )
  }
}
