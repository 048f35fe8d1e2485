/** Composition root: builds every part and wires them. Does not listen by itself. */
import type { FastifyInstance } from 'fastify'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Logger } from 'pino'
import { createAdminServer } from '../admin/admin-server.ts'
import { createExposition } from '../admin/exposition.ts'
import { ProxyMetrics } from '../admin/metrics.ts'
import { probes, type Readiness, readinessOf } from '../admin/readiness.ts'
import { effectiveSettings } from '../config/load-config.ts'
import { Console } from '../console/console.ts'
import { RequestWatch } from '../console/request-recorder.ts'
import { Lifecycle } from '../lifecycle.ts'
import { accessLog } from '../logging/access-log.ts'
import { accessRules } from '../policy/access-policy.ts'
import { createCallerGuard } from '../policy/caller-guard.ts'
import { CallerPace } from '../proxy/caller-pace.ts'
import { FlushQueue } from '../proxy/flush-queue.ts'
import { LinkDirectory } from '../proxy/links.ts'
import { proxyPlugin } from '../proxy/proxy-plugin.ts'
import { createRequestRewriter } from '../proxy/request-body.ts'
import type { Call, RequestContext } from '../proxy/request-context.ts'
import { createWriterOpener } from '../proxy/rewritten-response.ts'
import type { Route } from '../proxy/route.ts'
import { ServerTiming } from '../proxy/server-timing.ts'
import { createDataServer } from '../proxy/server.ts'
import { collectSeldom } from '../proxy/streamed-memory.ts'
import { describeError } from '../proxy/upstream-errors.ts'
import type { KeyReading, KeySource } from '../service-key/key-source.ts'
import { type KeyWatcher, type KeyWatcherOptions, watchKey } from '../service-key/key-watcher.ts'
import { BoundKey } from './bound-key.ts'
import type { SnapshotOptions } from './key-snapshot.ts'
import { Listener } from './listener.ts'

/** Everything that the parts are built from. */
export interface AppOptions extends Omit<SnapshotOptions, 'metrics' | 'advice'> {
  readonly keys: readonly BoundKeySource[]
  readonly log: Logger
  readonly watch: KeyWatcherOptions['watch']
}

export interface BoundKeySource {
  readonly source: KeySource
  /** What it says at the start. */
  readonly reading: KeyReading
}

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
  collectSeldom()
  const { config, clock, log, redactor, tracing } = options
  if (config.callerToken !== undefined) redactor.keep(config.callerToken)
  const { drainDelay, drainTimeout } = config
  const lifecycle = new Lifecycle({ clock, drainDelay, drainTimeout })
  const metrics = new ProxyMetrics()
  const { keys, logs, routes } = createKeys(options, metrics)
  const states = () => keys.map((key) => key.state())
  const readiness = (): Readiness => readinessOf(lifecycle.phase, states())
  const watch = new RequestWatch()
  const parts = { keys, logs, routes, metrics, watch, lifecycle, readiness }
  const { app, connections } = await createDataPort(options, parts)
  const data = new Listener(app)
  const admin = config.adminPort === 0 ? undefined : new Listener(createAdminPort(options, parts))
  let watchers: readonly KeyWatcher[] = []
  return {
    async start() {
      const port = await listen(options, data, admin)
      for (const key of keys) key.start()
      watchers = watchKeys(options, keys)
      return port
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
      const inTime = await lifecycle.stop(data, connections)
      if (!inTime) log.warn('requests still in flight at SKP_DRAIN_TIMEOUT were cut off')
      await Promise.all([...keys.map((key) => key.close()), tracing.stop()])
      await admin?.close()
    },
  }
}

/** What the two ports see of the rest. */
interface Parts {
  readonly keys: readonly BoundKey[]
  /** Those whose level changes together with that of `log`. */
  readonly logs: readonly Logger[]
  readonly routes: () => readonly Route[]
  readonly metrics: ProxyMetrics
  readonly watch: RequestWatch
  readonly lifecycle: Lifecycle
  readonly readiness: () => Readiness
}

/** All keys, and what they serve together. */
const createKeys = (options: AppOptions, metrics: ProxyMetrics) => {
  const several = options.keys.length > 1
  const logs = options.keys.map(({ source }) =>
    several ? options.log.child({ key: source.name }) : options.log,
  )
  let routes: readonly Route[] = []
  const onRoutes = (): void => {
    routes = keys.flatMap((key) => key.routes)
  }
  const keys: readonly BoundKey[] = options.keys.map(({ source, reading }, index) => {
    const log = logs[index] as Logger
    return new BoundKey({ ...options, metrics, source, reading, log, onRoutes })
  })
  onRoutes()
  return { keys, logs, routes: () => routes }
}

/** Probes, and the proxy below them. */
const createDataPort = async (
  options: AppOptions,
  { routes, metrics, watch, readiness, lifecycle }: Parts,
) => {
  const { config, clock, userAgent } = options
  const explains = config.explain === 'on'
  const now = (): number => clock.monotonic()
  const frame = {
    maxHeaderSize: config.maxHeaderSize,
    now,
    openTrace: options.tracing.open,
    openTiming: explains ? () => new ServerTiming(now) : undefined,
    ...createObservers(options, metrics, watch),
  }
  const server = createDataServer(frame)
  await server.app.register(probes, { readiness })
  const links = new LinkDirectory(routes)
  await server.app.register(proxyPlugin, {
    routes,
    openWriter: createWriterOpener(config.rewriteLinks, links, now),
    flushQueue: new FlushQueue(),
    pace: new CallerPace({ clock, minRate: config.minRate, onSlow: frame.onSlowCaller }),
    rewriteRequest: createRequestRewriter(config.rewriteLinks, links),
    userAgent,
    lifecycle,
    limits: config,
    maxInFlight: config.maxInFlight,
    maxBody: config.maxBody ?? Infinity,
    replayWrites: config.replayWrites,
    passUnauthorized: config.passUnauthorized === 'on',
    stripJsonCharset: config.stripJsonCharset === 'on',
    guardCaller: createCallerGuard(config),
    access: accessRules(config.access, config.allow),
    ...frame,
  })
  return server
}

/** What requests leave behind: log lines, counters and spans. */
const createObservers = (
  { config, clock, log }: AppOptions,
  metrics: ProxyMetrics,
  watch: RequestWatch,
) => {
  const lines = accessLog({
    log,
    query: config.logQuery === 'on',
    caller: config.logCaller === 'on',
  })
  return {
    onOpen(request: IncomingMessage): void {
      lines.opened(request)
      if (!isProbe(request)) metrics.requestBegan()
    },
    onDone(request: IncomingMessage, response: ServerResponse, context: RequestContext): void {
      if (context.failure === 'token_refreshed_retry') context.token = 'refreshed'
      const { monotonic: endedAt, wall } = clock.now()
      const duration = endedAt - context.startedAt
      const status = response.headersSent ? response.statusCode : undefined
      lines.done(request, response, context, endedAt)
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
    onSlowCaller: ({ context: { ids } }: Call, due: string): void =>
      log.warn(
        { request_id: ids.requestId, caller_has_to: due },
        'a caller that was slower than SKP_MIN_RATE was cut off',
      ),
    onTransportError: (error: unknown, { ids }: RequestContext): void =>
      log.warn(
        { ...describeError(error), request_id: ids.requestId },
        'the exchange with the API failed',
      ),
  }
}

const isProbe = ({ url = '' }: IncomingMessage): boolean => url.startsWith('/-/')

/** Probes, metrics, log level and the console. */
const createAdminPort = (
  { config, clock, log, redactor, userAgent }: AppOptions,
  { keys, logs, metrics, watch, lifecycle, readiness }: Parts,
): FastifyInstance =>
  createAdminServer({
    allowedHosts: config.adminHosts,
    readiness,
    expose: createExposition({
      metrics,
      tokens: () => keys.map((key) => key.state().token),
      credentials: () => keys.map((key) => key.credential()),
    }),
    log,
    logs,
    console: new Console({
      watch,
      clock,
      redact: (text) => redactor.redact(text),
      views: {
        program: userAgent,
        settings: () => effectiveSettings(config),
        keys: () => keys.map((key) => key.view()),
        readiness,
        phase: () => lifecycle.phase,
        inFlight: () => metrics.inFlight,
        answers: () => metrics.requests.entries(),
      },
    }),
  })

/**
 * @returns the port of the proxy
 * @throws what listening throws; then nothing listens
 */
const listen = async (
  { config }: AppOptions,
  data: Listener,
  admin: Listener | undefined,
): Promise<number> => {
  await admin?.listen(config.adminHost, config.adminPort)
  try {
    return await data.listen(config.host, config.port)
  } catch (error) {
    await admin?.close()
    throw error
  }
}

/** @returns the watches on what lies on disk */
const watchKeys = (
  { config, clock, log, watch, keys: sources }: AppOptions,
  keys: readonly BoundKey[],
): readonly KeyWatcher[] => {
  const onProblem = (code: string, directory: string): void =>
    log.warn({ code, directory }, 'changes of the service key are noticed by polling only')
  return sources.flatMap(({ reading: { watch: places } }, index) => {
    if (places.length === 0) return []
    const onChange = (): void => void keys[index]?.reload()
    const poll = config.keyPoll
    const watcher = watchKey({ places, watch, clock, poll, onChange, onProblem })
    // What has changed since the key was read caused no event.
    watcher.check()
    return [watcher]
  })
}
