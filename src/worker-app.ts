/**
 * Composition root of a worker process: the data port, with tokens and keys from the primary. The
 * admin port, the keys and the token server are the primary's.
 */
import type { AddressInfo } from 'node:net'
import type { Readiness } from './admin/readiness.ts'
import { ProxyMetrics } from './admin/proxy-metrics.ts'
import { createServer, type ServerOptions } from './app.ts'
import { RequestWatch } from './console/request-watch.ts'
import { Lifecycle } from './lifecycle.ts'
import type { Redactor } from './logging/redaction.ts'
import type { ProxyFor } from './outbound-proxy.ts'
import { MirroredKeys } from './workers/mirrored-keys.ts'
import type { PrimaryChannel, ToWorker, Welcome } from './workers/protocol.ts'
import { TokenQuestions } from './workers/token-questions.ts'

export interface WorkerAppOptions extends Omit<ServerOptions, 'config'> {
  readonly welcome: Welcome
  /** Monotonic ms at which the worker had asked for the welcome. */
  readonly askedAt: number
  readonly channel: Pick<PrimaryChannel, 'send'>
  readonly redactor: Redactor
  /** The proxy on the way to a server. */
  readonly proxyFor: ProxyFor
}

export interface WorkerApp {
  /** @returns the port @throws what listening throws */
  start(): Promise<number>
  /** What the primary says from the welcome on. */
  told(message: ToWorker): void
  /** Finishes what is in flight; never rejects. */
  stop(): Promise<void>
}

const createMirrors = (options: WorkerAppOptions) => {
  const { welcome, askedAt, channel, clock, redactor, proxyFor } = options
  const { config, ca, at } = welcome
  const send = channel.send.bind(channel)
  const questions = new TokenQuestions({ clock, waitLimit: config.tokenWait, send })
  const keys = new MirroredKeys({
    clock,
    // The welcome was on its way for a while: a token may look a little older, never younger.
    offset: askedAt - at,
    send,
    questions,
    onToken: (value) => redactor.addToken(value),
    proxyFor,
    upstream: {
      ca,
      connections: config.upstreamConnections,
      connectTimeout: config.connectTimeout,
      responseTimeout: config.responseTimeout,
      idleTimeout: config.idleTimeout,
      maxHeaderSize: config.maxHeaderSize,
    },
  })
  for (const copy of welcome.keys) keys.update(copy)
  const tell = (message: ToWorker): void => {
    if (message.kind === 'key') keys.update(message.copy)
    else if (message.kind === 'answer') questions.answered(message.id, message.outcome)
  }
  return { keys, tell, send }
}

const createLifecycle = ({ clock, welcome }: WorkerAppOptions): Lifecycle => {
  const { drainDelay, drainTimeout } = welcome.config
  return new Lifecycle({ clock, drainDelay, drainTimeout })
}

/** The primary may not have said so yet. */
const stopping = (readiness: Readiness): Readiness =>
  readiness.reasons.includes('stopping')
    ? readiness
    : { ready: false, reasons: ['stopping', ...readiness.reasons] }

export const createWorkerApp = async (options: WorkerAppOptions): Promise<WorkerApp> => {
  const { welcome, log, redactor, tracing } = options
  const { config } = welcome
  if (config.callerToken !== undefined) redactor.keep(config.callerToken)
  const lifecycle = createLifecycle(options)
  const metrics = new ProxyMetrics()
  const { keys, tell, send } = createMirrors(options)
  let { readiness } = welcome
  const { app, connections } = await createServer(
    { ...options, config },
    {
      mounts: () => keys.mounts,
      metrics,
      // The page is the primary's, which does not see requests.
      watch: new RequestWatch(),
      lifecycle,
      readiness: () => (lifecycle.phase === 'running' ? readiness : stopping(readiness)),
    },
  )
  return {
    async start() {
      await app.listen({ port: config.port, host: config.host })
      return (app.server.address() as AddressInfo).port
    },
    told(message) {
      if (message.kind === 'readiness') ({ readiness } = message)
      else if (message.kind === 'level') log.level = message.level
      else if (message.kind === 'count') {
        send({ kind: 'counters', id: message.id, counters: metrics.counters() })
      } else tell(message)
    },
    async stop() {
      send({ kind: 'leaving' })
      const inTime = await lifecycle.stop(app, connections)
      if (!inTime) log.warn('requests still in flight at SKP_DRAIN_TIMEOUT were cut off')
      await Promise.all([keys.close(), tracing.stop()])
    },
  }
}
