/** What requests leave behind: log lines, counters and spans. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Logger } from 'pino'
import type { ProxyMetrics } from './admin/proxy-metrics.ts'
import type { Clock } from './clock.ts'
import type { RequestWatch } from './console/request-watch.ts'
import { systemCode } from './errors.ts'
import type { AccessLog } from './logging/access-log.ts'
import type { Journal } from './proxy/journal.ts'
import { OutboundProxyError } from './tunnel.ts'

export interface ObserverOptions {
  readonly log: Logger
  readonly accessLog: AccessLog
  readonly metrics: ProxyMetrics
  readonly watch: RequestWatch
  readonly clock: Clock
}

const isProbe = ({ url = '' }: IncomingMessage): boolean => url.startsWith('/-/')

export const createObservers = ({ log, accessLog, metrics, watch, clock }: ObserverOptions) => ({
  onOpen(request: IncomingMessage): void {
    accessLog.opened(request)
    if (!isProbe(request)) metrics.requestBegan()
  },
  onDone(request: IncomingMessage, response: ServerResponse, journal: Journal): void {
    if (journal.failure === 'token_refreshed_retry') journal.token = 'refreshed'
    const { monotonic: endedAt, wall } = clock.now()
    const duration = endedAt - journal.startedAt
    const status = response.headersSent ? response.statusCode : undefined
    accessLog.done(request, response, journal, endedAt)
    if (journal.denied !== undefined) metrics.denied(journal.denied)
    if (!isProbe(request)) {
      metrics.requestEnded(request.method as string, status, journal, duration)
      watch.done(request, status, journal, duration, wall)
    }
    const { trace, failure, token, ids } = journal
    trace.end({ status, failure, token, ids })
  },
  onDefect: (error: unknown, { ids }: Journal): void =>
    log.error({ err: error, request_id: ids.requestId }, 'a request failed by a defect'),
  onTransportError: (error: unknown, { ids }: Journal): void =>
    log.warn(
      {
        code: systemCode(error),
        request_id: ids.requestId,
        ...(error instanceof OutboundProxyError ? { reason: error.message } : {}),
      },
      'the exchange with the API failed',
    ),
})
