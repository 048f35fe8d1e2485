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
 * @param connection counts them since the request was given to it
 * @param controller told to abort if the API never comes to its answer
 */
export const passOver = (
  connection: { interim: number },
  controller: { abort(reason: Error): void },
): void => {
  connection.interim += 1
  if (connection.interim > MAX_INTERIM_ANSWERS) controller.abort(new EndlessAnswerError())
}
