/** The record and the violations → a table per phase and a verdict. Pure. */
import type { Call } from '../fixtures/caller.ts'
import type { Stretch } from '../fixtures/fault-course.ts'
import { textTable } from '../fixtures/harness.ts'
import { isWriting } from '../fixtures/scripted-api.ts'
import { groupBy, VIOLATIONS, type RunRecord, type Violation, type ViolationKind } from './judge.ts'

export const table = (run: RunRecord): string => {
  const replays = replaysOf(run)
  const names = [...new Set(run.segments.map(({ name }) => name))]
  const rows = [COLUMNS, ...names.map((name) => row(run, name, replays))]
  return textTable(rows, (column) => column !== 0 && column !== 4)
}

export const verdict = (run: RunRecord, violations: readonly Violation[]): string => {
  const reads = run.calls.filter(({ method }) => !isWriting(method)).length
  const failed = violations.filter(({ kind }) => kind === 'failed read').length
  const headline = `${failed} of ${reads} reads failed while a usable token existed`
  if (violations.length === 0) return `verdict: ok; ${headline}\n`
  const origin = run.segments[0]?.startedAt ?? 0
  const kinds = [...groupBy(violations, ({ kind }) => kind)]
  return `verdict: ${violations.length} violations; ${headline}\n${kinds
    .map(([kind, same]) => shown(kind, same, origin))
    .join('')}`
}

export const progress = (calls: readonly Call[]): string => {
  const fine = calls.filter(isFine).length
  return `${calls.length} requests, ${fine} with 2xx, others: ${codes(calls)}`
}

// prettier-ignore
const COLUMNS = [
  'phase', 'seconds', 'requests', '2xx', 'own errors by code', 'worst ms', 'token requests', 'replays',
]

/** So many of each kind are shown in full. */
const MAX_SHOWN = 5

const isIn = (segments: readonly Stretch[], at: number): boolean =>
  segments.some(({ startedAt, endedAt }) => startedAt <= at && at < endedAt)

const isFine = ({ status = 0 }: Call): boolean => status >= 200 && status < 300

const codes = (calls: readonly Call[]): string => {
  const failed = calls.filter((call) => !isFine(call))
  const byCode = groupBy(failed, ({ code, status }) => code ?? String(status ?? 'no answer'))
  return [...byCode].map(([code, { length }]) => `${code} ${length}`).join(', ') || '-'
}

/** Moments at which a request reached the API again. */
const replaysOf = ({ arrivals }: RunRecord): number[] =>
  [...groupBy(arrivals, ({ id }) => id).values()].flatMap((same) =>
    same.slice(1).map(({ at }) => at),
  )

const row = (run: RunRecord, name: string, replays: readonly number[]): string[] => {
  const segments = run.segments.filter((segment) => segment.name === name)
  const calls = run.calls.filter(({ startedAt }) => isIn(segments, startedAt))
  const worst = calls.reduce((most, call) => Math.max(most, call.endedAt - call.startedAt), 0)
  const time = segments.reduce((sum, { startedAt, endedAt }) => sum + endedAt - startedAt, 0)
  return [
    name,
    (time / 1000).toFixed(1),
    String(calls.length),
    String(calls.filter(isFine).length),
    codes(calls),
    worst.toFixed(0),
    String(run.tokenRequests.filter(({ at }) => isIn(segments, at)).length),
    String(replays.filter((at) => isIn(segments, at)).length),
  ]
}

const shown = (kind: ViolationKind, violations: readonly Violation[], origin: number): string => {
  const lines = violations.slice(0, MAX_SHOWN).map(({ at, detail }) => {
    const moment = at === undefined ? '' : `at ${((at - origin) / 1000).toFixed(2)} s: `
    return `    ${moment}${detail}\n`
  })
  const rest = violations.length > MAX_SHOWN ? '    …\n' : ''
  return `  ${kind} × ${violations.length}: ${VIOLATIONS[kind]}\n${lines.join('')}${rest}`
}
