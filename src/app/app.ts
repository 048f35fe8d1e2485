/** Composition root: builds every part and wires them. Does not listen by itself. */
import type { FastifyInstance } from 'fastify'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Logger } from 'pino'
import { ProxyMetrics } from '../admin/metrics.ts'
import { probes, type Readiness, readinessOf } from '../admin/readiness.ts'
import type { Clock } from '../clock.ts'
import type { Config } from '../config/load-config.ts'
import { RequestWatch } from '../console/request-recorder.ts'
import { systemCode } from '../errors.ts'
import { Lifecycle } from '../lifecycle.ts'
import { accessLog, type AccessLog } from '../logging/access-log.ts'
import { OutboundProxyError } from '../outbound/tunnel.ts'
import { accessRules } from '../policy/access-policy.ts'
import { createCallerGuard } from '../policy/caller-guard.ts'
import { FlushQueue } from '../proxy/flush-queue.ts'
import { LinkDirectory } from '../proxy/links.ts'
import { proxyPlugin } from '../proxy/proxy-plugin.ts'
import { createRequestRewriter } from '../proxy/request-body.ts'
import type { RequestContext } from '../proxy/request-context.ts'
import { createWriterOpener } from '../proxy/rewritten-response.ts'
import type { Route } from '../proxy/route.ts'
import { ServerTiming } from '../proxy/server-timing.ts'
import { createDataServer } from '../proxy/server.ts'
import type { KeyWatcher } from '../service-key/key-watcher.ts'
import { createAdminPort } from './admin-port.ts'
import { type BoundKeysOptions, createKeys, watchKeys } from './bound-key.ts'

/** Everything that the parts are built from. */
export type AppOptions = BoundKeysOptions

export interface App {
  /**
   * Listens, then fetches the first token.
   * @returns the port
   * @throws what listening throws, such as EADDRINUSE
   */
  start(): Promise<number>
  /** `early` while the first request for a token has not ended, of one key at least. */
  readiness(): Readiness & { readonly early: boolean }
  /** Looks at once whether a service key on disk has changed. */
  reload(): void
  /** Finishes what is in flight; never rejects. */
  stop(): Promise<void>
}

export const createApp = async (options: AppOptions): Promise<App> => {
  const { config, log } = options
  if (config.callerToken !== undefined) options.redactor.keep(config.callerToken)
  const lifecycle = new Lifecycle({
    clock: options.clock,
    drainDelay: config.drainDelay,
    drainTimeout: config.drainTimeout,
  })
  const metrics = new ProxyMetrics()
  const bound = createKeys(options, metrics)
  const { keys } = bound
  const states = () => keys.map((key) => key.state())
  const readiness = (): Readiness => readinessOf(lifecycle.phase, states())
  const views = { ...bound, metrics, watch: new RequestWatch(), lifecycle, readiness }
  const { app, connections } = await createServer(options, views)
  const admin = createAdminPort(options, views)
  let watchers: readonly KeyWatcher[] = []
  return {
    async start() {
      await listen(options, app, admin)
      for (const key of keys) key.start()
      watchers = watchKeys(options, keys)
      return (app.server.address() as AddressInfo).port
    },
    readiness() {
      const early = states().some(({ token }) => token.lastOutcome.kind === 'none')
      return { ...readiness(), early }
    },
    reload() {
      for (const watcher of watchers) watcher.check()
    },
    async stop() {
      for (const watcher of watchers) watcher.close()
      const inTime = await lifecycle.stop(app, connections)
      if (!inTime) log.warn('requests still in flight at SKP_DRAIN_TIMEOUT were cut off')
      await Promise.all([...keys.map((key) => key.close()), options.tracing.stop()])
      await admin?.close()
    },
  }
}

/** The data port: probes, and the proxy below them. */
const createServer = async (
  options: AppOptions,
  { routes, metrics, watch, readiness, lifecycle }: ServerViews,
) => {
  const { config, userAgent } = options
  const frame = frameOf(options, { metrics, watch })
  const server = createDataServer(frame)
  await server.app.register(probes, { readiness })
  const links = new LinkDirectory(routes)
  await server.app.register(proxyPlugin, {
    routes,
    openWriter: createWriterOpener(config.rewriteLinks, links, frame.now),
    flushQueue: new FlushQueue(),
    rewriteRequest: createRequestRewriter(config.rewriteLinks, links),
    userAgent,
    lifecycle,
    ...proxySettings(config),
    ...frame,
  })
  return server
}

/** @throws what listening throws; then nothing listens */
const listen = async (
  { config }: AppOptions,
  app: FastifyInstance,
  admin: FastifyInstance | undefined,
): Promise<void> => {
  await admin?.listen({ port: config.adminPort, host: config.adminHost })
  try {
    await app.listen({ port: config.port, host: config.host })
  } catch (error) {
    await admin?.close()
    throw error
  }
}

/** What the data port sees of the rest. */
interface ServerViews {
  readonly routes: () => readonly Route[]
  readonly metrics: ProxyMetrics
  readonly watch: RequestWatch
  readonly lifecycle: Lifecycle
  readonly readiness: () => Readiness
}

/** What surrounds every request: time, trace, log line, counters. */
const frameOf = (
  { config, log, clock, tracing }: AppOptions,
  { metrics, watch }: Pick<ServerViews, 'metrics' | 'watch'>,
) => {
  const lines = accessLog({
    log,
    query: config.logQuery === 'on',
    caller: config.logCaller === 'on',
  })
  const now = (): number => clock.monotonic()
  return {
    maxHeaderSize: config.maxHeaderSize,
    now,
    openTrace: tracing.open,
    openTiming: config.explain === 'on' ? () => new ServerTiming(now) : undefined,
    ...createObservers({ log, accessLog: lines, metrics, watch, clock }),
  }
}

const proxySettings = (config: Config) => ({
  limits: config,
  maxInFlight: config.maxInFlight,
  maxBody: config.maxBody ?? Infinity,
  replayWrites: config.replayWrites === 'on',
  passUnauthorized: config.passUnauthorized === 'on',
  stripJsonCharset: config.stripJsonCharset === 'on',
  guardCaller: createCallerGuard(config),
  access: accessRules(config.access, config.allow),
})

const createObservers = ({ log, accessLog, metrics, watch, clock }: ObserverOptions) => ({
  onOpen(request: IncomingMessage): void {
    accessLog.opened(request)
    if (!isProbe(request)) metrics.requestBegan()
  },
  onDone(request: IncomingMessage, response: ServerResponse, context: RequestContext): void {
    if (context.failure === 'token_refreshed_retry') context.token = 'refreshed'
    const { monotonic: endedAt, wall } = clock.now()
    const duration = endedAt - context.startedAt
    const status = response.headersSent ? response.statusCode : undefined
    accessLog.done(request, response, context, endedAt)
    if (context.denied !== undefined) metrics.denials.add(context.denied)
    if (!isProbe(request)) {
      metrics.requestEnded(request.method as string, status, context, duration)
      watch.done(request, status, context, duration, wall)
    }
    const { trace, failure, token, ids } = context
    trace.end({ status, failure, token, ids })
  },
  onDefect: (error: unknown, { ids }: RequestContext): void =>
    log.error({ err: error, request_id: ids.requestId }, 'a request failed by a defect'),
  onTransportError: (error: unknown, { ids }: RequestContext): void =>
    log.warn(
      {
        code: systemCode(error),
        request_id: ids.requestId,
        ...(error instanceof OutboundProxyError ? { reason: error.message } : {}),
      },
      'the exchange with the API failed',
    ),
})

/* FOLDED: What requests leave behind: log lines, counters and spans. */

interface ObserverOptions {
  readonly log: Logger
  readonly accessLog: AccessLog
  readonly metrics: ProxyMetrics
  readonly watch: RequestWatch
  readonly clock: Clock
}

const isProbe = ({ url = '' }: IncomingMessage): boolean => url.startsWith('/-/')
