/** What is known of a `$batch` once it is read, and what says that it cannot be. */

/** Name, as written, and value, which may have blanks around it. */
export type HeaderField = readonly [name: string, value: string]

export interface BatchPart {
  /** In capitals. */
  readonly method: string
  /** As written: relative, path-absolute or absolute, with its query. */
  readonly target: string
  /** No name twice. */
  readonly headers: readonly HeaderField[]
}

/** More than clients send; without limits, one `$batch` could keep the proxy busy for a second. */
export const MAX_REQUESTS = 1_000
export const MAX_FIELDS = 100

/** The message is a sentence about "it", the `$batch`, and repeats nothing of it. */
export class UnreadableError extends Error {}

/** @throws UnreadableError unless the condition holds */
export function demand(condition: boolean, otherwise: string): asserts condition {
  if (!condition) throw new UnreadableError(otherwise)
}

/** Servers ignore the body of such requests, or take it for another request. */
export const demandNoBody = (method: string, hasBody: boolean): void => {
  const mayHave = method !== 'GET' && method !== 'HEAD'
  demand(mayHave || !hasBody, 'One of its GET or HEAD requests has a body.')
}
