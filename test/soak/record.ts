/** All that a soak has found, for the judgement, the table and the picture; small enough to keep. */
import type { Breach, BreachKind } from './ledger.ts'
import type { Row } from './timeline.ts'

export const SCRAPE_INTERVAL_MS = 5_000

export interface SoakRecord {
  readonly date: string
  readonly node: string
  readonly seed: number
  readonly minutes: number
  readonly callers: number
  readonly rows: readonly Row[]
  /** Seconds since the load began. */
  readonly faults: readonly { readonly name: string; readonly from: number; readonly to: number }[]
  readonly requests: number
  readonly writes: number
  /** How many of them took effect. */
  readonly applied: number
  readonly outcomes: readonly (readonly [name: string, count: number])[]
  readonly breachCounts: readonly (readonly [kind: BreachKind, count: number])[]
  readonly breaches: readonly Breach[]
  readonly rotations: number
  /** New keys that the proxy says it has taken over. */
  readonly reloads: number
  readonly tokenRequests: number
  /** Names of faults after which the proxy got no token in time. */
  readonly stuck: readonly string[]
  /** Before the load, and after it when connections have had the time to end. */
  readonly descriptors: { readonly before: number | undefined; readonly after: number | undefined }
  readonly scrapes: {
    readonly count: number
    /** ms */
    readonly worst: number
    readonly faults: readonly string[]
    readonly promtool: 'used' | 'missing'
    readonly python: 'used' | 'missing'
    /** CPU time of one, in ms. */
    readonly cost: number | undefined
  }
  readonly log: {
    readonly lines: number
    readonly levels: readonly (readonly [level: string, count: number])[]
    readonly alarms: readonly string[]
    readonly leaks: readonly number[]
  }
  /** Why the proxy did not live until it was told to stop, or did not stop well. */
  readonly death: string | undefined
}
