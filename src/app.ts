/** Composition root: builds every part and wires them. Does not listen by itself. */
import type { FastifyInstance } from 'fastify'
import type { AddressInfo } from 'node:net'
import { createAdminPort } from './admin-port.ts'
import { probes } from './admin/probes.ts'
import { ProxyMetrics } from './admin/proxy-metrics.ts'
import { readinessOf, type Readiness } from './admin/readiness.ts'
import { createKeys, watchKeys, type BoundKeysOptions } from './bound-keys.ts'
import type { Config } from './config/load-config.ts'
import { RequestWatch } from './console/request-watch.ts'
import { Lifecycle } from './lifecycle.ts'
import { accessLog } from './logging/access-log.ts'
import { createObservers } from './observers.ts'
import { accessRules } from './policy/access-policy.ts'
import { createCallerGuard } from './policy/caller-guard.ts'
import { ApiLimits } from './proxy/api-limits.ts'
import { createDataServer } from './proxy/data-server.ts'
import { LinkDirectory } from './proxy/links.ts'
import type { Mount } from './proxy/mount.ts'
import { createAnswerOpener, timed } from './proxy/open-answer.ts'
import { proxyPlugin } from './proxy/proxy-plugin.ts'
import { createRequestRewriter } from './proxy/rewritten-request.ts'
import { explained, ServerTiming } from './proxy/server-timing.ts'
import { Turn } from './proxy/turn.ts'
import type { KeyWatcher } from './service-key/key-watcher.ts'

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

/** What the data port sees of the rest. */
interface ServerViews {
  readonly mounts: () => readonly Mount[]
  readonly metrics: ProxyMetrics
  readonly watch: RequestWatch
  readonly lifecycle: Lifecycle
  readonly readiness: () => Readiness
}

/** The data port: probes, and the proxy below them. */
const createServer = async (
  options: AppOptions,
  { mounts, metrics, watch, readiness, lifecycle }: ServerViews,
) => {
  const { config, userAgent } = options
  const frame = frameOf(options, { metrics, watch })
  const server = createDataServer(frame)
  await server.app.register(probes, { readiness })
  const links = new LinkDirectory(mounts)
  const opener = createAnswerOpener(config.rewriteLinks, links)
  await server.app.register(proxyPlugin, {
    mounts,
    openAnswer: timed(config.explain === 'on' ? explained(opener) : opener, frame.now),
    apiLimits: new ApiLimits(options.clock, config),
    turn: new Turn(),
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
