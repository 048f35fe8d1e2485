/** How often a duration fell between two bounds. Counting allocates nothing. */

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
