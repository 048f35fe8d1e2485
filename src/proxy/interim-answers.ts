/**
 * Answers before the answer (1xx, RFC 9110 §15.2). They are passed over: 100 was asked for by
 * nobody, and what the others say is of no use to callers of an OData API.
 */

/** Each of them begins SKP_RESPONSE_TIMEOUT anew. */
const MAX_INTERIM_ANSWERS = 100

class EndlessAnswerError extends Error {
  readonly code = 'ERR_ENDLESS_ANSWER'
}

/**
 * @param seen how many of them came before
 * @param abort called if the API never comes to its answer
 * @returns how many there are now
 */
export const passOver = (seen: number, abort: ((reason: Error) => void) | undefined): number => {
  if (seen >= MAX_INTERIM_ANSWERS) abort?.(new EndlessAnswerError())
  return seen + 1
}
