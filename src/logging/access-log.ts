/** One line per request, when its connection is done with it: answered or given up. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Logger } from 'pino'
import type { Journal } from '../proxy/journal.ts'

const PROBE_PATH = '/-/'

/** Query strings are left out: OData filters carry personal data. Other forms may hold passwords. */
const pathOf = (target: string): string =>
  target.startsWith('/') ? target.replace(/\?.*$/s, '') : '(no path)'

const levelOf = (target: string, journal: Journal): 'debug' | 'info' | 'warn' => {
  if (target.startsWith(PROBE_PATH)) return 'debug'
  return journal.failure === undefined ? 'info' : 'warn'
}

/**
 * @param endedAt monotonic ms
 */
export const logAccess = (
  log: Logger,
  request: IncomingMessage,
  response: ServerResponse,
  journal: Journal,
  endedAt: number,
): void => {
  const target = request.url ?? ''
  const answered = response.writableFinished
  log[levelOf(target, journal)](
    {
      type: 'request',
      direction: 'IN',
      request_id: journal.ids.requestId,
      correlation_id: journal.ids.correlationId,
      method: request.method,
      request: pathOf(target),
      ...(response.headersSent ? { response_status: response.statusCode } : {}),
      response_time_ms: Math.round((endedAt - journal.startedAt) * 10) / 10,
      token: journal.token,
      error_code: journal.failure,
    },
    `${request.method} ${pathOf(target)} ${answered ? response.statusCode : 'not finished'}`,
  )
}
