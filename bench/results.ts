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

export const median = (values: readonly Figure[]): Figure => {
  const sorted = values.filter((value) => value !== undefined).toSorted((a, b) => a - b)
  const middle = (sorted.length - 1) / 2
  const [low, high] = [sorted[Math.floor(middle)], sorted[Math.ceil(middle)]]
  return low === undefined || high === undefined ? undefined : (low + high) / 2
}

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

/**
 * Of two peers in one scenario: the median of the ratios round by round, because rounds that are
 * next to each other share the noise of the machine.
 */
export const ratioOf = (
  results: Results,
  scenario: string,
  { peer, base, name = 'cpu' }: { peer: string; base: string; name?: keyof Round },
): Figure => {
  const own = outcomeOf(results, scenario, peer)?.rounds ?? []
  const other = outcomeOf(results, scenario, base)?.rounds ?? []
  return median(own.map((round, i) => quotient(round[name], other[i]?.[name])))
}

/** The lower quartile: what else happens on the machine only ever makes a start longer. */
const quartile = (values: readonly Figure[]): Figure => {
  const sorted = values.filter((value) => value !== undefined).toSorted((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 4)]
}

export const startOf = ({ starts }: Results, peer: string, name: keyof Start): Figure =>
  quartile(starts.find((each) => each.peer === peer)?.starts.map((start) => start[name]) ?? [])
