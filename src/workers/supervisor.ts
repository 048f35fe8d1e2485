/**
 * Keeps a number of worker processes running: one that ends is replaced, ever more slowly if that
 * does not help, and the others are left alone meanwhile.
 */
import type { Logger } from 'pino'
import { elapsed, sleep, type Clock, type Instant } from '../clock.ts'
import type { ForkWorker, ToPrimary, ToWorker, WorkerProcess } from './protocol.ts'

export interface SupervisorOptions {
  readonly count: number
  readonly fork: ForkWorker
  readonly clock: Clock
  readonly log: Logger
  /** @param worker the same object for the same process */
  readonly onMessage: (worker: Worker, message: ToPrimary) => void
  readonly onExit: (worker: Worker) => void
}

/** One process, in the place of one that is wanted. */
export interface Worker {
  /** From 1 on. */
  readonly number: number
  readonly process: WorkerProcess
  /** It takes requests since then. */
  servingSince?: Instant | undefined
  /** It may serve again no more. */
  leaving?: boolean
}

interface Starting {
  readonly resolve: (port: number) => void
  readonly reject: (reason: Error) => void
}

interface Place {
  worker: Worker | undefined
  /** Before the next one, in ms. */
  delay: number
  cancel?: () => void
}

const MIN_DELAY_MS = 1_000
const MAX_DELAY_MS = 30_000
/** One that has served so long was not broken from the start. */
const HEALTHY_MS = 60_000

/** Why the program cannot start; `code` is that of the system. */
const startError = (code: string): Error =>
  Object.assign(new Error('a worker process cannot serve'), { code })

export class Supervisor {
  readonly #options: SupervisorOptions
  readonly #places: readonly Place[]
  #starting: Starting | undefined
  readonly #ended = new AbortController()
  #stopping = false

  constructor(options: SupervisorOptions) {
    this.#options = options
    this.#places = Array.from({ length: options.count }, () => ({
      worker: undefined,
      delay: MIN_DELAY_MS,
    }))
  }

  /**
   * @returns the port, once all workers serve
   * @throws an error with a `code` if one of them cannot; then none is left
   */
  async start(): Promise<number> {
    const started = new Promise<number>((resolve, reject) => {
      this.#starting = { resolve, reject }
    })
    for (const index of this.#places.keys()) this.#fork(index)
    let port: number
    try {
      port = await started
    } catch (error) {
      this.#stopping = true
      this.#kill()
      throw error
    }
    this.#starting = undefined
    return port
  }

  /** How many take requests. */
  get serving(): number {
    return this.#workers().filter(({ servingSince, leaving }) => servingSince && !leaving).length
  }

  /** @returns how many there were to hear it */
  broadcast(message: ToWorker): number {
    const workers = this.#workers()
    for (const { process } of workers) process.send(message)
    return workers.length
  }

  /**
   * Lets all finish what they have in flight.
   * @param limit in ms; what is left then is ended at once
   */
  async stop(limit: number): Promise<void> {
    this.#stopping = true
    for (const { cancel } of this.#places) cancel?.()
    if (this.broadcast({ kind: 'stop' }) === 0) return
    await sleep(this.#options.clock, limit, this.#ended.signal)
    this.#kill()
  }

  #workers(): readonly Worker[] {
    return this.#places.flatMap(({ worker }) => worker ?? [])
  }

  #kill(): void {
    for (const { process } of this.#workers()) process.kill()
  }

  #fork(index: number): void {
    const place = this.#places[index] as Place
    const worker: Worker = { number: index + 1, process: this.#options.fork() }
    place.worker = worker
    worker.process.onMessage((message) => this.#onMessage(worker, message))
    worker.process.onExit((cause) => {
      if (place.worker !== worker) return
      place.worker = undefined
      this.#options.onExit(worker)
      this.#onExit(index, worker, cause)
    })
  }

  #onMessage(worker: Worker, message: ToPrimary): void {
    const { clock, log, onMessage } = this.#options
    if (message.kind === 'listening') {
      worker.servingSince = clock.now()
      if (this.#starting === undefined) {
        log.info({ worker: worker.number }, 'a worker process serves again')
      } else if (this.serving === this.#places.length) this.#starting.resolve(message.port)
    } else if (message.kind === 'leaving') {
      worker.leaving = true
    } else if (message.kind === 'failed') this.#onFailure(worker, message.code)
    onMessage(worker, message)
  }

  /** It waits for its end, so that nothing it had said is lost. */
  #onFailure({ number, process }: Worker, code: string): void {
    if (this.#starting !== undefined) return this.#starting.reject(startError(code))
    this.#options.log.error({ worker: number, code }, 'a worker process cannot listen')
    process.kill()
  }

  #onExit(index: number, { number, servingSince }: Worker, cause: string): void {
    const { clock, log } = this.#options
    if (this.#stopping) {
      if (this.#workers().length === 0) this.#ended.abort()
      return
    }
    if (this.#starting !== undefined) return this.#starting.reject(startError(cause))
    const place = this.#places[index] as Place
    const served = servingSince === undefined ? 0 : elapsed(servingSince, clock.now())
    if (served >= HEALTHY_MS) place.delay = MIN_DELAY_MS
    const { delay } = place
    place.delay = Math.min(delay * 2, MAX_DELAY_MS)
    log.error(
      { worker: number, cause, restart_in_s: delay / 1000 },
      'a worker process ended, and is started anew',
    )
    place.cancel = clock.schedule(delay, () => this.#fork(index))
  }
}
