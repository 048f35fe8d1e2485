/** A counter with one label whose values are few. */

/** More would be a mistake that must not cost memory. */
const MAX_LABELS = 32
const OVERFLOW = 'other'

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
