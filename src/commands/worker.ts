/** One of several processes behind the same port; `serve` starts it and tells it everything. */
import { systemClock } from '../clock.ts'
import { systemCode } from '../errors.ts'
import { Redactor } from '../logging/redaction.ts'
import { loadProxies } from '../outbound-proxy.ts'
import { createWorkerApp, type WorkerApp } from '../worker-app.ts'
import type { PrimaryChannel, ToWorker, Welcome } from '../workers/protocol.ts'
import { EXIT, type Edge, type Running } from './edge.ts'
import { openLog, openTracing, stopWithLog } from './telemetry.ts'

export interface Working extends Pick<Running, 'stop' | 'flush'> {
  /** Resolves with the exit code after a stop that the primary asked for. */
  readonly ended: Promise<number>
}

const listen = async (app: WorkerApp, channel: PrimaryChannel): Promise<void> => {
  try {
    channel.send({ kind: 'listening', port: await app.start() })
  } catch (error) {
    channel.send({ kind: 'failed', code: systemCode(error) })
  }
}

/** What is built from the welcome. */
const begin = async (edge: Edge, channel: PrimaryChannel, welcome: Welcome, askedAt: number) => {
  const redactor = new Redactor()
  // Its problems have kept the primary from starting.
  const { proxyFor, secrets } = loadProxies(edge.environment)
  for (const secret of secrets) redactor.keep(secret)
  const settings = { ...welcome.config, logLevel: welcome.level as 'info' }
  const { log, lines } = await openLog(edge, settings, redactor, { worker: String(welcome.worker) })
  const tracing = await openTracing(edge, log)
  const app = await createWorkerApp({
    welcome,
    askedAt,
    channel,
    redactor,
    proxyFor,
    log,
    clock: systemClock,
    userAgent: `service-key-proxy/${edge.version}`,
    tracing,
  })
  return { app, log, lines }
}

/** Resolves once it serves, or has told the primary why it cannot; then the primary ends it. */
export const worker = async (edge: Edge, channel: PrimaryChannel): Promise<Working> => {
  const askedAt = systemClock.now().monotonic
  const early: ToWorker[] = []
  let onMessage = (message: ToWorker): void => void early.push(message)
  const welcomed = new Promise<Welcome>((resolve) => {
    channel.onMessage((message) => {
      if (message.kind === 'welcome') resolve(message)
      else onMessage(message)
    })
  })
  channel.send({ kind: 'hello' })
  const { app, log, lines } = await begin(edge, channel, await welcomed, askedAt)
  const stop = (crash?: unknown): Promise<void> =>
    stopWithLog({ stop: () => app.stop(), log, lines }, crash)
  const ended = new Promise<number>((resolve) => {
    onMessage = (message) => {
      if (message.kind === 'stop') void stop().then(() => resolve(EXIT.stopped))
      else app.told(message)
    }
    for (const message of early) onMessage(message)
  })
  await listen(app, channel)
  return { stop, ended, flush: () => lines.flushSync() }
}
