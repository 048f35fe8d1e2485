/**
 * Composition root of the primary of several processes: the keys, the token sources and the admin
 * port. The data port is its workers'.
 */
import { ProxyMetrics } from './admin/proxy-metrics.ts'
import { readinessOf, type Readiness } from './admin/readiness.ts'
import { createAdminPort } from './admin-port.ts'
import type { App, AppOptions } from './app.ts'
import { createKeys, watchKeys } from './bound-keys.ts'
import { RequestWatch } from './console/request-watch.ts'
import type { Phase } from './lifecycle.ts'
import type { KeyWatcher } from './service-key/key-watcher.ts'
import type { ForkWorker } from './workers/protocol.ts'
import { WorkerFleet } from './workers/worker-fleet.ts'

export interface PrimaryAppOptions extends AppOptions {
  readonly fork: ForkWorker
}

/** A missing worker is to be mended, but as long as another one serves, requests are welcome. */
const withWorkers = (
  { ready, reasons }: Readiness,
  serving: number,
  workers: number,
): Readiness => {
  if (serving === workers) return { ready, reasons }
  const missing = `${workers - serving} of ${workers} worker processes are missing`
  return { ready: ready && serving > 0, reasons: [...reasons, missing] }
}

/** Keys, and the workers that serve them. */
const createFleet = (options: PrimaryAppOptions) => {
  const { config, redactor } = options
  if (config.callerToken !== undefined) redactor.keep(config.callerToken)
  const own = new ProxyMetrics()
  const total = new ProxyMetrics()
  const { keys, logs } = createKeys(options, own)
  const lifecycle: { phase: Phase } = { phase: 'running' }
  const readiness = (): Readiness => {
    const states = keys.map((key) => key.state())
    const ofKeys = readinessOf(lifecycle.phase, states)
    return lifecycle.phase === 'running'
      ? withWorkers(ofKeys, fleet.serving, config.workers)
      : ofKeys
  }
  const fleet: WorkerFleet = new WorkerFleet({ ...options, keys, own, total, readiness })
  const levelOfWorkers = {
    set level(level: string) {
      fleet.setLevel(level)
    },
  }
  const stop = (): Promise<void> => {
    lifecycle.phase = 'draining'
    return fleet.stop()
  }
  const views = { keys, logs: [...logs, levelOfWorkers], metrics: total, readiness, lifecycle }
  return { fleet, views, stop }
}

export const createPrimaryApp = async (options: PrimaryAppOptions): Promise<App> => {
  const { config, tracing } = options
  const { fleet, views, stop } = createFleet(options)
  const { keys, readiness } = views
  const admin = createAdminPort(options, {
    ...views,
    watch: new RequestWatch(),
    gather: () => fleet.gather(),
  })
  let watchers: readonly KeyWatcher[] = []
  return {
    async start() {
      await admin?.listen({ port: config.adminPort, host: config.adminHost })
      let port: number
      try {
        port = await fleet.start()
      } catch (error) {
        await admin?.close()
        throw error
      }
      for (const key of keys) key.start()
      watchers = watchKeys(options, keys)
      return port
    },
    readiness() {
      const early = keys.some((key) => key.state().token.lastOutcome.kind === 'none')
      return { ...readiness(), early }
    },
    reload() {
      for (const watcher of watchers) watcher.check()
    },
    async stop() {
      for (const watcher of watchers) watcher.close()
      await stop()
      await Promise.all([...keys.map((key) => key.close()), tracing.stop()])
      await admin?.close()
    },
  }
}
