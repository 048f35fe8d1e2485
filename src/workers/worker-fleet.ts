/**
 * All workers as the primary sees them: welcomes each, keeps it up to date, answers its questions and
 * adds up what it counts.
 */
import type { Logger } from 'pino'
import type { ProxyMetrics } from '../admin/proxy-metrics.ts'
import type { Readiness } from '../admin/readiness.ts'
import type { Clock } from '../clock.ts'
import type { Config } from '../config/load-config.ts'
import { KeyCopies, type KeyCopiesOptions } from './key-copies.ts'
import type { ForkWorker, ToPrimary } from './protocol.ts'
import { Supervisor, type Worker } from './supervisor.ts'
import { TokenDesk } from './token-desk.ts'
import { WorkerCounters } from './worker-counters.ts'

export interface WorkerFleetOptions extends Pick<KeyCopiesOptions, 'keys'> {
  readonly config: Config
  /** PEM certificates to trust; `undefined`: those of Node. */
  readonly ca: readonly string[] | undefined
  readonly clock: Clock
  readonly log: Logger
  readonly fork: ForkWorker
  /** What the primary counts itself, and where the sums go. */
  readonly own: ProxyMetrics
  readonly total: ProxyMetrics
  readonly readiness: () => Readiness
}

/** How soon workers see what changes by itself: a renewed token, a new key, a token that lapses. */
const LOOK_MS = 200
/** Beyond SKP_DRAIN_TIMEOUT, for the last lines and the end of a process. */
const END_MS = 3_000

/** What is limited for all is shared equally. */
const shareOf = (config: Config): Config => {
  const share = (limit: number): number => Math.ceil(limit / config.workers)
  const { maxInFlight, upstreamConnections } = config
  return {
    ...config,
    maxInFlight: share(maxInFlight),
    upstreamConnections: share(upstreamConnections),
  }
}

export class WorkerFleet {
  readonly #options: WorkerFleetOptions
  readonly #supervisor: Supervisor
  readonly #desk = new TokenDesk({ onChange: () => this.publish() })
  readonly #copies: KeyCopies
  readonly #counters: WorkerCounters
  /** The readiness that workers know. */
  #told = ''
  #endLook: (() => void) | undefined

  constructor(options: WorkerFleetOptions) {
    const { clock, log, fork, config, keys } = options
    this.#options = options
    this.#supervisor = new Supervisor({
      count: config.workers,
      fork,
      clock,
      log,
      onMessage: (worker, message) => this.#onMessage(worker, message),
      onExit: (worker) => this.#onExit(worker),
    })
    const broadcast = this.#supervisor.broadcast.bind(this.#supervisor)
    this.#copies = new KeyCopies({ keys, desk: this.#desk, broadcast })
    this.#counters = new WorkerCounters({
      ...options,
      ask: (id) => broadcast({ kind: 'count', id }),
    })
  }

  /** @returns the port @throws an error with a `code` if a worker cannot serve */
  async start(): Promise<number> {
    const port = await this.#supervisor.start()
    this.#look()
    return port
  }

  async stop(): Promise<void> {
    this.publish()
    await this.#supervisor.stop(this.#options.config.drainTimeout + END_MS)
    this.#endLook?.()
  }

  /** How many workers take requests. */
  get serving(): number {
    return this.#supervisor.serving
  }

  /** Brings the total up to date. */
  gather(): Promise<void> {
    return this.#counters.gather()
  }

  /** Changes the log level of all workers. */
  setLevel(level: string): void {
    this.#supervisor.broadcast({ kind: 'level', level })
  }

  /** Tells workers what has changed for them. */
  publish(): void {
    this.#copies.publish()
    const readiness = this.#options.readiness()
    const text = JSON.stringify(readiness)
    if (text === this.#told) return
    this.#told = text
    this.#supervisor.broadcast({ kind: 'readiness', readiness })
  }

  #look(): void {
    this.publish()
    this.#endLook = this.#options.clock.schedule(LOOK_MS, () => this.#look())
  }

  #onMessage(worker: Worker, message: ToPrimary): void {
    const { kind } = message
    if (kind === 'hello') return this.#welcome(worker)
    if (kind === 'listening' || kind === 'leaving' || kind === 'failed') return this.publish()
    if (kind === 'counters') {
      return this.#counters.received(worker, message.id, message.counters)
    }
    this.#desk.handle(worker, message, (id, outcome) =>
      worker.process.send({ kind: 'answer', id, outcome }),
    )
  }

  #onExit(worker: Worker): void {
    this.#desk.forget(worker)
    this.#counters.forget(worker)
    this.publish()
  }

  #welcome({ number, process }: Worker): void {
    const { clock, config, ca, log, readiness } = this.#options
    process.send({
      kind: 'welcome',
      at: clock.now().monotonic,
      worker: number,
      config: shareOf(config),
      ca,
      level: log.level,
      keys: this.#copies.all(),
      readiness: readiness(),
    })
  }
}
