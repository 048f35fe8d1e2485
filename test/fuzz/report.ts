/** Tallies and findings as text. Pure. */
import type { FuzzResult, Tally } from './run.ts'
import type { Finding } from './session.ts'

const total = (tally: Tally): number => [...tally.values()].reduce((sum, count) => sum + count, 0)

const byCount = (tally: Tally): string =>
  [...tally]
    .toSorted(([, a], [, b]) => b - a)
    .map(([outcome, count]) => `${outcome}: ${count}`)
    .join(', ')

export const progress = (tally: Tally): string => `${total(tally)} sessions; ${byCount(tally)}\n`

const shown = ({ what, received, plan: { bytes, ending, cuts } }: Finding): string =>
  [
    `finding: ${what}`,
    `  then: ${ending}${cuts.length === 0 ? '' : `, cut at ${cuts.join(', ')}`}`,
    `  bytes: ${JSON.stringify(bytes)}`,
    `  received: ${JSON.stringify(received.slice(0, 2_000))}`,
    `  hex: ${Buffer.from(bytes, 'latin1').toString('hex')}\n`,
  ].join('\n')

export const verdict = ({ tally, findings, faults }: FuzzResult): string => {
  const lines = [...faults.map((what) => `fault: ${what}\n`), ...findings.map(shown)]
  const count = lines.length === 0 ? 'nothing found' : `${lines.length} found`
  return `${lines.join('')}verdict: ${count} in ${total(tally)} sessions\n${[...tally]
    .toSorted(([, a], [, b]) => b - a)
    .map(([outcome, sessions]) => `  ${String(sessions).padStart(7)}  ${outcome}\n`)
    .join('')}`
}
