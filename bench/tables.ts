/** Results → Markdown tables. Pure. */
import {
  BASELINE,
  OURS,
  medianOf,
  outcomeOf,
  quotient,
  ratioOf,
  show,
  spreadOf,
  startOf,
  type Figure,
  type Outcome,
  type Results,
} from './results.ts'

const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`

const tableOf = (head: readonly string[], rows: readonly (readonly string[])[], texts = 1) => {
  const rule = head.map((_, index) => (index < texts ? '---' : '---:'))
  return [head, rule, ...rows].map(line).join('\n')
}

const withRatio = (value: Figure, ratio: Figure, digits = 0): string => {
  if (value === undefined) return 'n/a'
  return ratio === undefined ? show(value, digits) : `${show(value, digits)} (${show(ratio, 2)})`
}

const digitsOf = (perGigabyte: boolean | undefined): number => (perGigabyte === true ? 2 : 0)

/** CPU of every peer in every scenario, with its ratio to the baseline. */
export const cpuTable = (results: Results): string => {
  const { peers, scenarios } = results
  const cells = (id: string): string[] =>
    scenarios.map(({ id: scenario, perGigabyte }) => {
      const cpu = medianOf(outcomeOf(results, scenario, id), 'cpu')
      const ratio = ratioOf(results, scenario, { peer: id, base: BASELINE })
      return withRatio(cpu, ratio, digitsOf(perGigabyte))
    })
  const rows = peers
    .filter(({ id }) => id !== 'direct')
    .map(({ id, name }) => [OURS.has(id) ? `**${name}**` : name].concat(cells(id)))
  return tableOf([''].concat(scenarios.map(({ name }) => name)), rows)
}

/** Start and memory of every peer, with ratios to the baseline. */
export const startTable = (results: Results): string => {
  const cell = (peer: string, name: 'time' | 'cpu' | 'idle'): string => {
    const value = startOf(results, peer, name)
    return withRatio(value, quotient(value, startOf(results, BASELINE, name)))
  }
  const peak = (peer: string, scenario: string): string => {
    const value = outcomeOf(results, scenario, peer)?.peak
    return withRatio(value, quotient(value, outcomeOf(results, scenario, BASELINE)?.peak))
  }
  const head = [
    '',
    'start ms',
    'start CPU ms',
    'idle MB',
    'peak MB, 2 KB × 32',
    'peak MB, 10 MB × 4',
  ]
  const rows = results.peers
    .filter(({ id }) => id !== 'direct')
    .map(({ id, name }) => [
      name,
      cell(id, 'time'),
      cell(id, 'cpu'),
      cell(id, 'idle'),
      peak(id, 'get-32'),
      peak(id, 'down-10m'),
    ])
  return tableOf(head, rows)
}

const peakCell = (outcome: Outcome | undefined): string => {
  const { peak, containerPeak } = outcome ?? {}
  return containerPeak === undefined
    ? show(peak)
    : `${show(peak)}, container ${show(containerPeak)}`
}

/** Everything about one scenario. */
export const scenarioTable = (results: Results, scenario: string): string => {
  const unit = results.scenarios.find(({ id }) => id === scenario)
  const head = [
    unit?.name ?? scenario,
    unit?.perGigabyte === true ? 'CPU s/GB' : 'CPU µs/request',
    '÷ plain',
    '÷ nginx',
    'req/s',
    'p50 ms',
    'p99 ms',
    'peak MB',
    'opened/1,000',
    'proxy CPU',
  ]
  const rows = results.peers.map(({ id, name }) => {
    const outcome = outcomeOf(results, scenario, id)
    if (outcome?.failure !== undefined)
      return [name, outcome.failure, ...head.slice(2).map(() => '')]
    const busy = medianOf(outcome, 'busy')
    return [
      name,
      show(medianOf(outcome, 'cpu'), digitsOf(unit?.perGigabyte)),
      show(ratioOf(results, scenario, { peer: id, base: BASELINE }), 2),
      show(ratioOf(results, scenario, { peer: id, base: 'nginx' }), 2),
      show(medianOf(outcome, 'perSecond')),
      show(medianOf(outcome, 'p50'), 2),
      show(medianOf(outcome, 'p99'), 2),
      peakCell(outcome),
      show(medianOf(outcome, 'opened'), 2),
      busy === undefined ? 'n/a' : `${show(busy * 100)} %`,
    ]
  })
  return tableOf(head, rows)
}

/** One scenario of contestants that are alike: what each costs beside the first. */
export const pairedTable = (results: Results, scenario: string): string => {
  const base = results.peers[0]?.id ?? ''
  const unit = results.scenarios.find(({ id }) => id === scenario)
  const head = [
    unit?.name ?? scenario,
    unit?.perGigabyte === true ? 'CPU s/GB' : 'CPU µs/request',
    `÷ ${base}`,
    'quartiles',
    'req/s',
    'p50 ms',
    'p99 ms',
    'peak MB',
    'proxy CPU',
  ]
  const rows = results.peers.map(({ id }) => {
    const outcome = outcomeOf(results, scenario, id)
    const [low, high] = spreadOf(results, scenario, { peer: id, base })
    const busy = medianOf(outcome, 'busy')
    const figures = [
      show(medianOf(outcome, 'cpu'), unit?.perGigabyte === true ? 3 : 1),
      show(ratioOf(results, scenario, { peer: id, base }), 3),
      `${show(low, 3)}–${show(high, 3)}`,
      show(medianOf(outcome, 'perSecond')),
      show(medianOf(outcome, 'p50'), 2),
      show(medianOf(outcome, 'p99'), 2),
      peakCell(outcome),
      busy === undefined ? 'n/a' : `${show(busy * 100)} %`,
    ]
    if (outcome?.failure === undefined) return [id, ...figures]
    return [id, outcome.failure, ...figures.slice(1).map(() => '')]
  })
  return tableOf(head, rows)
}

/** Starts of the contestants. */
export const pairedStarts = (results: Results): string => {
  const base = results.peers[0]?.id ?? ''
  const rows = results.peers.map(({ id }) => [
    id,
    ...(['time', 'cpu', 'idle'] as const).map((name) => {
      const value = startOf(results, id, name)
      return withRatio(value, quotient(value, startOf(results, base, name)))
    }),
  ])
  return tableOf(['', 'start ms', 'start CPU ms', 'idle MB'], rows)
}
