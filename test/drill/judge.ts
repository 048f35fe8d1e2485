/** The record of a drill → everything that must never happen and did. Pure. */
import { judgeCalls } from './judge-calls.ts'
import { judgeArrivals, judgeTokenRequests } from './judge-tokens.ts'
import type { RunRecord } from './record.ts'
import type { Violation } from './violation.ts'

const judgeLog = ({ log, secrets }: RunRecord): Violation[] => {
  const lines = log.split('\n')
  return secrets
    .map((secret) => lines.findIndex((line) => line.includes(secret)))
    .filter((index) => index >= 0)
    .map((index) => ({ kind: 'leak', detail: `in line ${index + 1} of the log` }))
}

const judgeProcess = ({ death, stuck }: RunRecord): Violation[] => [
  ...(death === undefined ? [] : [{ kind: 'proxy died', detail: `it ${death}` } as const]),
  ...stuck.map((name) => ({ kind: 'no recovery', detail: `before "${name}"` }) as const),
]

export const judge = (run: RunRecord): readonly Violation[] => [
  ...judgeCalls(run),
  ...judgeArrivals(run),
  ...judgeTokenRequests(run),
  ...judgeLog(run),
  ...judgeProcess(run),
]
