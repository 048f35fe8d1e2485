/** Composition root: builds every part and wires them. Does not listen by itself. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Logger } from 'pino'
import { probes } from './admin/probes.ts'
import { readinessOf } from './admin/readiness.ts'
import { BoundKey } from './bound-key.ts'
import type { Config } from './config/load-config.ts'
import { Lifecycle } from './lifecycle.ts'
import { logAccess } from './logging/access-log.ts'
import type { GenerationOptions } from './key-generation.ts'
import { createDataServer } from './proxy/data-server.ts'
import type { Journal } from './proxy/journal.ts'
import { LinkDirectory } from './proxy/links.ts'
import type { Mount } from './proxy/mount.ts'
import { createAnswerOpener } from './proxy/open-answer.ts'
import { proxyPlugin } from './proxy/proxy-plugin.ts'
import { createRequestRewriter } from './proxy/rewritten-request.ts'
import { systemCode } from './errors.ts'
import { watchKey, type KeyWatcher, type KeyWatcherOptions } from './service-key/key-watcher.ts'
import type { KeyReading, KeySource } from './service-key/key-source.ts'

export interface BoundKeySource {
  readonly source: KeySource
  /** What it says at the start. */
  readonly reading: KeyReading
}

export interface AppOptions extends GenerationOptions {
  readonly keys: readonly BoundKeySource[]
  readonly log: Logger
  readonly watch: KeyWatcherOptions['watch']
}

export interface App {
  /**
   * Listens, then fetches the first token.
   * @returns the port
   * @throws what listening throws, such as EADDRINUSE
   */
  start(): Promise<number>
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
  renewOnForbidden: config.renewOnForbidden === 'on',
})

/** What happens to requests, as told to the log. */
const observersOf = ({ log, clock }: AppOptions) => ({
  onDone: (request: IncomingMessage, response: ServerResponse, journal: Journal): void =>
    logAccess(log, request, response, journal, clock.now().monotonic),
  onDefect: (error: unknown, { ids }: Journal): void =>
    log.error({ err: error, request_id: ids.requestId }, 'a request failed by a defect'),
  onTransportError: (error: unknown, { ids }: Journal): void =>
    log.warn(
      { code: systemCode(error), request_id: ids.requestId },
      'the exchange with the API failed',
    ),
})

/** All keys, and what they serve together. */
const createKeys = (options: AppOptions) => {
  const several = options.keys.length > 1
  let mounts: readonly Mount[] = []
  const onMounts = (): void => {
    mounts = keys.flatMap((key) => key.mounts)
  }
  const keys: readonly BoundKey[] = options.keys.map(({ source, reading }) => {
    const log = several ? options.log.child({ key: source.name }) : options.log
    return new BoundKey({ ...options, source, reading, log, onMounts })
  })
  onMounts()
  return { keys, mounts: () => mounts }
}

/** @returns a look at the keys on demand, and the end of the watch */
const watchKeys = (options: AppOptions, keys: readonly BoundKey[]): KeyWatcher[] =>
  options.keys.flatMap(({ reading }, index) => {
    const { watch: places } = reading
    if (places.length === 0) return []
    const onChange = (): void => void keys[index]?.reload()
    const onProblem = (code: string, directory: string): void =>
      options.log.warn(
        { code, directory },
        'changes of the service key are noticed by polling only',
      )
    const { clock, watch, config } = options
    return [watchKey({ places, watch, clock, poll: config.keyPoll, onChange, onProblem })]
  })

/** The data port: probes, and the proxy below them. */
const createServer = async (
  options: AppOptions,
  lifecycle: Lifecycle,
  { keys, mounts }: ReturnType<typeof createKeys>,
) => {
  const { config, clock, userAgent } = options
  const { onDone, onDefect, onTransportError } = observersOf(options)
  const server = createDataServer({
    maxHeaderSize: config.maxHeaderSize,
    now: () => clock.now().monotonic,
    onDone,
    onDefect,
  })
  const states = () => keys.map((key) => key.state())
  await server.app.register(probes, { readiness: () => readinessOf(lifecycle.phase, states()) })
  const links = new LinkDirectory(mounts)
  await server.app.register(proxyPlugin, {
    mounts,
    openAnswer: createAnswerOpener(config.rewriteLinks, links),
    rewriteRequest: createRequestRewriter(config.rewriteLinks, links),
    userAgent,
    lifecycle,
    ...proxySettings(config),
    onTransportError,
    onDefect,
  })
  return server
}

export const createApp = async (options: AppOptions): Promise<App> => {
  const { config, log } = options
  const lifecycle = new Lifecycle({
    clock: options.clock,
    drainDelay: config.drainDelay,
    drainTimeout: config.drainTimeout,
  })
  const bound = createKeys(options)
  const { keys } = bound
  const { app, connections } = await createServer(options, lifecycle, bound)
  let watchers: readonly KeyWatcher[] = []
  return {
    async start() {
      await app.listen({ port: config.port, host: config.host })
      for (const key of keys) key.start()
      watchers = watchKeys(options, keys)
      return (app.server.address() as AddressInfo).port
    },
    reload() {
      for (const watcher of watchers) watcher.check()
    },
    async stop() {
      for (const watcher of watchers) watcher.close()
      const inTime = await lifecycle.stop(app, connections)
      if (!inTime) log.warn('requests still in flight at SKP_DRAIN_TIMEOUT were cut off')
      await Promise.all(keys.map((key) => key.close()))
    },
  }
}
