/** Samples and latencies over the time of a soak, a row for each second. */
import { sampleProcess } from './process-sample.ts'

export interface Row {
  /** Seconds since the load began. */
  readonly at: number
  /** MB; `undefined`: not measured in this second. */
  readonly resident?: number | undefined
  readonly heap?: number | undefined
  readonly descriptors?: number | undefined
  readonly sockets?: number | undefined
  /** Requests that ended in this second. */
  readonly requests: number
  /** Of plain reads, in ms. */
  readonly p50?: number | undefined
  readonly p99?: number | undefined
}

export const percentile = (values: readonly number[], share: number): number | undefined =>
  values.toSorted((a, b) => a - b)[Math.max(0, Math.ceil(values.length * share) - 1)]

export class Timeline {
  readonly rows: Row[] = []
  readonly #pid: number
  readonly #startedAt = performance.now()
  #latencies: number[] = []
  #requests = 0
  #heap: number | undefined

  constructor(pid: number) {
    this.#pid = pid
  }

  /** @param latency in ms; `undefined`: not one to compare with others */
  ended(latency: number | undefined): void {
    this.#requests += 1
    if (latency !== undefined) this.#latencies.push(latency)
  }

  /** @param bytes in use at the moment */
  scraped(bytes: number | undefined): void {
    this.#heap = bytes === undefined ? undefined : bytes / 1e6
  }

  /** To be called every second. */
  sample(): void {
    this.rows.push({
      at: (performance.now() - this.#startedAt) / 1000,
      ...sampleProcess(this.#pid),
      heap: this.#heap,
      requests: this.#requests,
      p50: percentile(this.#latencies, 0.5),
      p99: percentile(this.#latencies, 0.99),
    })
    this.#latencies = []
    this.#requests = 0
    this.#heap = undefined
  }
}
