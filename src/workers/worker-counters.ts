/** The counters of all workers and of the primary as one. Nothing that was counted is taken back. */
import type { ProxyMetrics } from '../admin/proxy-metrics.ts'
import type { Clock } from '../clock.ts'
import type { Counters } from './protocol.ts'

export interface WorkerCountersOptions {
  readonly clock: Clock
  /** What the primary counts itself. */
  readonly own: ProxyMetrics
  /** Where the sums go. */
  readonly total: ProxyMetrics
  /** Asks the workers. @returns how many there are to answer */
  readonly ask: (id: number) => number
}

/** A worker that is slower does not hold up a scrape: its last numbers count. */
const ANSWER_LIMIT_MS = 1_000

/** Gauges go with their process. */
const GAUGES: ReadonlySet<string> = new Set(['inFlight'])

const sum = (all: readonly Counters[]): Counters => {
  const total: Record<string, number> = {}
  for (const counters of all) {
    for (const [name, value] of Object.entries(counters)) total[name] = (total[name] ?? 0) + value
  }
  return total
}

interface Gathering {
  readonly id: number
  missing: number
  readonly finish: () => void
}

export class WorkerCounters {
  readonly #options: WorkerCountersOptions
  readonly #last = new Map<object, Counters>()
  #past: Counters = {}
  #id = 0
  #gathering: Gathering | undefined
  #gathered: Promise<void> | undefined

  constructor(options: WorkerCountersOptions) {
    this.#options = options
  }

  /** Brings the total up to date. Scrapes at the same time share one round. */
  gather(): Promise<void> {
    this.#gathered ??= this.#gather().finally(() => {
      this.#gathered = undefined
    })
    return this.#gathered
  }

  /** @param id of the round that it answers */
  received(worker: object, id: number, counters: Counters): void {
    this.#last.set(worker, counters)
    const gathering = this.#gathering
    if (gathering?.id !== id) return
    gathering.missing -= 1
    if (gathering.missing === 0) gathering.finish()
  }

  /** The worker has ended; what it had counted at the last scrape stays. */
  forget(worker: object): void {
    const counted = Object.entries(this.#last.get(worker) ?? {}).filter(
      ([name]) => !GAUGES.has(name),
    )
    this.#past = sum([this.#past, Object.fromEntries(counted)])
    this.#last.delete(worker)
  }

  async #gather(): Promise<void> {
    const { clock, own, total, ask } = this.#options
    this.#id += 1
    const id = this.#id
    await new Promise<void>((resolve) => {
      const cancel = clock.schedule(ANSWER_LIMIT_MS, resolve)
      const finish = (): void => {
        cancel()
        resolve()
      }
      this.#gathering = { id, missing: 0, finish }
      this.#gathering.missing = ask(id)
      if (this.#gathering.missing === 0) finish()
    })
    total.assign(sum([own.counters(), this.#past, ...this.#last.values()]))
  }
}
