/** Rounds → a Markdown table of medians. Pure. */
import type { Round } from './round.ts'

export interface Outcome {
  readonly scenario: string
  readonly peer: string
  readonly rounds: readonly Round[]
  /** MB, once, after the last round. */
  readonly peak: number | undefined
}

type Figure = number | undefined

const known = (values: readonly Figure[]): number[] =>
  values.filter((value) => value !== undefined).toSorted((a, b) => a - b)

const median = (values: readonly Figure[]): Figure => {
  const sorted = known(values)
  const middle = (sorted.length - 1) / 2
  const [low, high] = [sorted[Math.floor(middle)], sorted[Math.ceil(middle)]]
  return low === undefined || high === undefined ? undefined : (low + high) / 2
}

export const show = (value: Figure, digits = 0): string => value?.toFixed(digits) ?? 'n/a'

const spread = (values: readonly Figure[]): string => {
  const sorted = known(values)
  return sorted.length === 0 ? 'n/a' : `${show(sorted[0])}–${show(sorted.at(-1))}`
}

const columns = [
  'Scenario',
  'Proxy',
  'CPU µs/request',
  'min–max',
  'req/s',
  'p50 ms',
  'p99 ms',
  'Peak RSS MB',
  'Proxy CPU',
]

const quotient = (value: Figure, base: Figure): Figure =>
  value === undefined || base === undefined ? undefined : value / base

const withRatio = (value: Figure, ratio: Figure, digits = 0): string =>
  show(value, digits) + (ratio === undefined ? '' : ` (${show(ratio, 2)}×)`)

/** @param base of the same scenario; `undefined` for the baseline itself */
const row = ({ scenario, peer, rounds, peak }: Outcome, base: Outcome | undefined): string[] => {
  const cell = (name: keyof Round, digits?: number): string => {
    const ratios = rounds.map((round, i) => quotient(round[name], base?.rounds[i]?.[name]))
    return withRatio(median(rounds.map((round) => round[name])), median(ratios), digits)
  }
  const busy = median(rounds.map((round) => round.busy))
  return [
    scenario,
    peer,
    cell('cpu'),
    spread(rounds.map((round) => round.cpu)),
    cell('perSecond'),
    cell('p50', 2),
    cell('p99', 2),
    withRatio(peak, quotient(peak, base?.peak)),
    busy === undefined ? 'n/a' : `${show(busy * 100)} %`,
  ]
}

const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`

/** @param baseline the peer that the ratios refer to */
export const table = (outcomes: readonly Outcome[], baseline: string): string => {
  const rows = outcomes.map((outcome) => {
    const isBase = (other: Outcome): boolean =>
      other.peer === baseline && other.scenario === outcome.scenario
    return row(outcome, isBase(outcome) ? undefined : outcomes.find(isBase))
  })
  const rule = columns.map((_, index) => (index < 2 ? '---' : '---:'))
  return [columns, rule, ...rows].map(line).join('\n')
}
