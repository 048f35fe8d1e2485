/** A caller that stops sending or reading must not hold a connection to the API for ever. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Failure } from '../errors.ts'

/** @param idleTimeout in ms */
const detailOf = (idleTimeout: number): string => `SKP_IDLE_TIMEOUT=${idleTimeout}ms.`

/** The caller stopped in the middle of its body. */
export const callerTimeout = (idleTimeout: number): Failure => ({
  code: 'caller_timeout',
  detail: detailOf(idleTimeout),
})

/**
 * What to do when nothing has moved on the caller's connection for SKP_IDLE_TIMEOUT. `wait`: it is
 * the API's turn, which has limits of its own. `close`: the caller does not read. Else: an answer.
 *
 * @param idleTimeout in ms
 */
const judgeIdle = (
  request: IncomingMessage,
  response: ServerResponse,
  idleTimeout: number,
): 'wait' | 'close' | Failure => {
  const isUntaken = response.writableEnded && !response.writableFinished
  if (response.writableNeedDrain || isUntaken) return 'close'
  if (request.complete || response.headersSent) return 'wait'
  // Paused by backpressure: it is the API that takes no more of the body.
  return request.isPaused()
    ? { code: 'upstream_timeout', detail: detailOf(idleTimeout) }
    : callerTimeout(idleTimeout)
}

/** @param onIdle told once nothing has moved for so long that waiting makes no sense */
export const watchIdle = (
  request: IncomingMessage,
  response: ServerResponse,
  idleTimeout: number,
  onIdle: (verdict: 'close' | Failure) => void,
): void => {
  response.setTimeout(idleTimeout, () => {
    const verdict = judgeIdle(request, response, idleTimeout)
    if (verdict !== 'wait') onIdle(verdict)
  })
}
