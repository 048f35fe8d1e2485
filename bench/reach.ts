/** The figures to reach, and what a run made of them. Pure. */
import {
  BASELINE,
  median,
  medianOf,
  outcomeOf,
  quotient,
  ratioOf,
  show,
  startOf,
  type Figure,
  type Results,
} from './results.ts'

interface Goal {
  readonly number: string
  readonly text: string
  readonly must: number
  readonly aim: number
  readonly value: (results: Results) => Figure
}

const cpu =
  (scenario: string, peer: string, base = BASELINE) =>
  (results: Results) =>
    ratioOf(results, scenario, { peer, base })

const peak = (scenario: string) => (results: Results) =>
  quotient(
    outcomeOf(results, scenario, 'shipped')?.peak,
    outcomeOf(results, scenario, BASELINE)?.peak,
  )

const start = (name: 'time' | 'cpu' | 'idle') => (results: Results) =>
  quotient(startOf(results, 'shipped', name), startOf(results, BASELINE, name))

const goal = (
  number: string,
  text: string,
  must: number,
  aim: number,
  value: Goal['value'],
): Goal => ({ number, text, must, aim, value })

const GOALS: readonly Goal[] = [
  goal('1', 'GET 2 KB, 32 connections, as shipped ÷ plain', 0.85, 0.75, cpu('get-32', 'shipped')),
  goal('2', 'the same, log and rewriting off ÷ plain', 0.7, 0.58, cpu('get-32', 'bare')),
  goal('2', '… ÷ node:http + undici by hand', 1.25, 1.05, cpu('get-32', 'bare', 'node-limit')),
  goal('3', 'GET 2 KB, 256 connections, off ÷ plain', 0.7, 0.52, cpu('get-256', 'bare')),
  goal('4', 'POST 2 KB, off ÷ plain', 0.7, 0.58, cpu('post-32', 'bare')),
  goal('4', 'GET 2 KB over verified TLS, off ÷ plain', 0.7, 0.6, cpu('tls-32', 'bare')),
  goal('5', 'GET 100 KB of JSON, as shipped ÷ plain', 1, 0.85, cpu('get-100k', 'shipped')),
  goal('6', '10 MB down, as shipped ÷ plain', 1.15, 1, cpu('down-10m', 'shipped')),
  goal('6', '10 MB up, as shipped ÷ plain', 1.15, 1, cpu('up-10m', 'shipped')),
  goal('7', 'as shipped ÷ @sap/approuter', 0.12, 0.08, cpu('get-32', 'shipped', 'approuter')),
  goal('7', '… ÷ SAP Cloud SDK', 0.12, 0.08, cpu('get-32', 'shipped', 'fastify-cloud-sdk')),
  goal('7', '… ÷ axios', 0.25, 0.19, cpu('get-32', 'shipped', 'fastify-axios')),
  goal('8', 'p50 at one connection, as shipped ÷ plain', 1, 0.87, (results) =>
    ratioOf(results, 'get-1', { peer: 'shipped', base: BASELINE, name: 'p50' }),
  ),
  goal('9', 'start ÷ plain', 1, 0.75, start('time')),
  goal('10', 'idle memory ÷ plain', 1.05, 1, start('idle')),
  goal('10', 'peak at 32 connections ÷ plain', 1.05, 1, peak('get-32')),
  goal('10', 'peak with 4 × 10 MB down ÷ plain', 1.1, 1, peak('down-10m')),
  goal('10', 'peak with 4 × 10 MB up ÷ plain', 1.1, 1, peak('up-10m')),
  goal('11', 'connections opened per 1,000 warm requests', 2, 1, (results) =>
    medianOf(outcomeOf(results, 'get-32', 'shipped'), 'opened'),
  ),
  goal('12', 'callers that wait for a renewal under load', 0, 0, ({ renewal }) => renewal?.waited),
  goal('12', 'p99 of that second ÷ its neighbours', 1.2, 1.1, ({ renewal }) =>
    median(renewal?.ratios ?? []),
  ),
]

const verdict = (value: Figure, { must, aim }: Goal): string => {
  if (value === undefined) return 'not measured'
  if (value <= aim) return 'aim'
  return value <= must ? 'must' : '**missed**'
}

/** A table of all goals; several runs, such as those of two versions of Node, side by side. */
export const reachTable = (runs: readonly Results[]): string => {
  const head = ['', 'figure', 'must', 'aim', ...runs.flatMap(({ node }) => [`Node ${node}`, ''])]
  const rows = GOALS.map((each) => {
    const { number, text, must, aim } = each
    const cells = runs.flatMap((results) => {
      const value = each.value(results)
      return [show(value, 2), verdict(value, each)]
    })
    return [number, text, String(must), String(aim)].concat(cells)
  })
  const rule = head.map((_, index) => (index < 2 ? '---' : '---:'))
  return [head, rule, ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}
