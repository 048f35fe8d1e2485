/** Counters of what may happen with every request: counting allocates nothing, and each is bounded. */

/** One label whose values are few. */
export class LabelledCounter<Label extends string = string> {
  readonly #counts: Map<string, number>

  /** @param labels those that are shown from the start, so that a first event is an increase */
  constructor(labels: readonly Label[] = []) {
    this.#counts = new Map(labels.map((label) => [label, 0]))
  }

  add(label: Label): void {
    const isKnown = this.#counts.has(label) || this.#counts.size < MAX_LABELS
    const key = isKnown ? label : OVERFLOW
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1)
  }

  entries(): readonly (readonly [label: string, count: number])[] {
    return [...this.#counts]
  }
}

/** How often a duration fell between two bounds. */
export class Histogram {
  /** Upper bounds in seconds, ascending; the last bucket has none. */
  readonly bounds: readonly number[]
  /** In seconds. */
  sum = 0
  readonly #counts: Float64Array

  constructor(bounds: readonly number[]) {
    this.bounds = bounds
    this.#counts = new Float64Array(bounds.length + 1)
  }

  observe(ms: number): void {
    const seconds = ms / 1000
    let index = 0
    while (index < this.bounds.length && seconds > (this.bounds[index] as number)) index += 1
    this.#counts[index] = (this.#counts[index] as number) + 1
    this.sum += seconds
  }

  /** How many were at most as long as each bound; the last one counts all. */
  cumulative(): readonly number[] {
    let total = 0
    return Array.from(this.#counts, (count) => (total += count))
  }
}

/** Who made an answer; the caller, if it left before there was one. */
export type Origin = (typeof ORIGINS)[number]

export interface TallyEntry {
  readonly method: string
  readonly status: string
  readonly origin: Origin
  readonly count: number
}

/** Requests by method, status and origin; what callers send is folded into a few. */
export class RequestTally {
  readonly #counts = new Map<number, number>()

  /** @param status of the answer's head; `undefined`: none was sent */
  add(method: string, status: number | undefined, origin: Origin): void {
    const known = METHODS.indexOf(method)
    const row = (known === -1 ? OTHER_METHOD : known) * ORIGINS.length + ORIGINS.indexOf(origin)
    const key = row * STATUSES + Math.min(status ?? NO_STATUS, OTHER_STATUS)
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1)
  }

  entries(): readonly TallyEntry[] {
    return Array.from(this.#counts, ([key, count]) => {
      const row = Math.floor(key / STATUSES)
      return {
        method: METHODS[Math.floor(row / ORIGINS.length)] as string,
        status: statusLabel(key % STATUSES),
        origin: ORIGINS[row % ORIGINS.length] as Origin,
        count,
      }
    })
  }
}

/** More would be a mistake that must not cost memory. */
const MAX_LABELS = 32

const OVERFLOW = 'other'

const ORIGINS = ['api', 'caller', 'service-key-proxy', 'token-server'] as const

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'MERGE', 'DELETE', 'OPTIONS', 'OTHER']

const OTHER_METHOD = METHODS.length - 1

const NO_STATUS = 0

const OTHER_STATUS = 600

const STATUSES = OTHER_STATUS + 1

const statusLabel = (status: number): string => {
  if (status === NO_STATUS) return 'none'
  return status === OTHER_STATUS ? 'other' : String(status)
}
