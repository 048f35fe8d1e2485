/**
 * Stopping in steps, so that no request is lost: not ready → still accepting for a while, because
 * routes are removed late → refusing new requests → closed. Every step has a limit.
 */
import { elapsed, sleep, type Clock } from './clock.ts'

export type Phase = 'running' | 'draining' | 'closing'

/** The part of a Fastify instance that stopping needs. */
export interface Stoppable {
  /** Stops listening; resolves when the last connection is closed. */
  close(): Promise<unknown>
  readonly server: {
    closeIdleConnections(): void
    closeAllConnections(): void
  }
}

interface LifecycleOptions {
  readonly clock: Clock
  /** All in ms; the timeout includes the delay. */
  readonly drainDelay: number
  readonly drainTimeout: number
}

export class Lifecycle {
  phase: Phase = 'running'
  readonly #options: LifecycleOptions

  constructor(options: LifecycleOptions) {
    this.#options = options
  }

  /**
   * @param connections those that Node does not count as idle although no request is in flight on them
   * @returns whether everything in flight was finished in time
   */
  async stop(app: Stoppable, connections: { closeUnused(): void }): Promise<boolean> {
    const { clock, drainDelay, drainTimeout } = this.#options
    const startedAt = clock.now()
    this.phase = 'draining'
    await sleep(clock, drainDelay)
    this.phase = 'closing'
    const closed = new AbortController()
    const closingAt = clock.now()
    const done = (): void => closed.abort()
    const closing = app.close().then(done, done)
    while (!closed.signal.aborted && elapsed(startedAt, clock.now()) < drainTimeout) {
      app.server.closeIdleConnections()
      if (elapsed(closingAt, clock.now()) >= LATE_HEAD_MS) connections.closeUnused()
      // oxlint-disable-next-line no-await-in-loop -- waits for time to pass
      await sleep(clock, SWEEP_MS, closed.signal)
    }
    const inTime = closed.signal.aborted
    if (!inTime) app.server.closeAllConnections()
    await closing
    return inTime
  }
}

/** How long a request whose head is half there may still arrive, to be refused in words. */
const LATE_HEAD_MS = 1_000

/** How often connections that have become idle are closed while the last requests finish. */
const SWEEP_MS = 50
