/** What a run has measured, and the few sums that tables, figures and charts share. Pure. */

/** The peer that ratios refer to. */
export const BASELINE = 'plain-http-proxy'

/** Shown as ours. */
export const OURS: ReadonlySet<string> = new Set(['shipped', 'bare'])

export interface Round {
  /** CPU time of the proxy's process tree per request, in µs, or in seconds per GB. */
  readonly cpu: number | undefined
  /** Share of one CPU that the proxy used. */
  readonly busy: number | undefined
  readonly perSecond: number
  /** Latency in ms. */
  readonly p50: number
  readonly p99: number
  /** Connections that the API saw opened, per 1,000 requests. */
  readonly opened: number
}

export interface Start {
  /** Spawn → first proxied answer, in ms. */
  readonly time: number
  /** CPU time until then, in ms: moves less than the time on a busy machine. */
  readonly cpu: number | undefined
  /** Resident MB, a second after that answer. */
  readonly idle: number | undefined
}

export interface Outcome {
  readonly scenario: string
  readonly peer: string
  readonly rounds: readonly Round[]
  /** MB, once, after the last round. */
  readonly peak?: number | undefined
  /** The same as its container sees it. */
  readonly containerPeak?: number | undefined
  /** Why there is nothing to show. */
  readonly failure?: string
}

export interface Starts {
  readonly peer: string
  readonly starts: readonly Start[]
}

/** Renewals of a token under load. */
export interface Renewal {
  /** Requests that had to wait for a token. */
  readonly waited: number
  /** p99 of the second of a renewal ÷ that of its neighbours, in the order of the renewals. */
  readonly ratios: readonly number[]
}

export interface Results {
  readonly date: string
  readonly node: string
  /** How it was measured, line by line. */
  readonly setting: readonly string[]
  readonly peers: readonly { readonly id: string; readonly name: string }[]
  readonly scenarios: readonly {
    readonly id: string
    readonly name: string
    readonly perGigabyte?: boolean
  }[]
  readonly outcomes: readonly Outcome[]
  readonly starts: readonly Starts[]
  readonly renewal?: Renewal | undefined
}

export type Figure = number | undefined

/** @param share of the values that are smaller, between 0 and 1; between two values: in proportion */
const quantile = (values: readonly Figure[], share: number): Figure => {
  const sorted = values.filter((value) => value !== undefined).toSorted((a, b) => a - b)
  const at = (sorted.length - 1) * share
  const [low, high] = [sorted[Math.floor(at)], sorted[Math.ceil(at)]]
  return low === undefined || high === undefined ? undefined : low + (high - low) * (at % 1)
}

export const median = (values: readonly Figure[]): Figure => quantile(values, 0.5)

export const quotient = (value: Figure, base: Figure): Figure =>
  value === undefined || base === undefined || base === 0 ? undefined : value / base

export const show = (value: Figure, digits = 0): string => value?.toFixed(digits) ?? 'n/a'

export const outcomeOf = (
  { outcomes }: Results,
  scenario: string,
  peer: string,
): Outcome | undefined =>
  outcomes.find((outcome) => outcome.scenario === scenario && outcome.peer === peer)

export const medianOf = (outcome: Outcome | undefined, name: keyof Round): Figure =>
  median(outcome?.rounds.map((round) => round[name]) ?? [])

interface Pair {
  readonly peer: string
  readonly base: string
  /** Default: `cpu`. */
  readonly name?: keyof Round
}

/** Round by round, because rounds that are next to each other share the noise of the machine. */
const ratiosOf = (results: Results, scenario: string, { peer, base, name = 'cpu' }: Pair) => {
  const own = outcomeOf(results, scenario, peer)?.rounds ?? []
  const other = outcomeOf(results, scenario, base)?.rounds ?? []
  return own.map((round, i) => quotient(round[name], other[i]?.[name]))
}

/** Of two peers in one scenario: the median of the ratios. */
export const ratioOf = (results: Results, scenario: string, pair: Pair): Figure =>
  median(ratiosOf(results, scenario, pair))

/** The lower and the upper quartile of the same ratios. */
export const spreadOf = (
  results: Results,
  scenario: string,
  pair: Pair,
): readonly [low: Figure, high: Figure] => {
  const ratios = ratiosOf(results, scenario, pair)
  return [quantile(ratios, 0.25), quantile(ratios, 0.75)]
}

/** The lower quartile: what else happens on the machine only ever makes a start longer. */
export const startOf = ({ starts }: Results, peer: string, name: keyof Start): Figure => {
  const own = starts.find((each) => each.peer === peer)?.starts ?? []
  return quantile(
    own.map((start) => start[name]),
    0.25,
  )
}
