/** A counter with one label whose values are few. */

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

/* FOLDED: How often a duration fell between two bounds. Counting allocates nothing. */

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

/** More would be a mistake that must not cost memory. */
const MAX_LABELS = 32

const OVERFLOW = 'other'
