/** What the steps of `check` found, as text for people and as JSON for programs. Pure. */
import { EXIT } from './edge.ts'

export interface StepReport {
  readonly step: string
  /** Prefix of the mount that the step is about, if it is about one. */
  readonly mount?: string
  /** 0: nothing is wrong. */
  readonly exitCode: number
  readonly summary: string
  readonly problems: readonly string[]
  readonly warnings: readonly string[]
  /** Particulars for the text: name and value. */
  readonly rows: readonly (readonly [name: string, value: string])[]
  /** Particulars for JSON. */
  readonly data: Readonly<Record<string, unknown>>
}

/** That of the earliest cause: the codes rise from step to step, whatever mount they are about. */
export const exitCodeOf = (reports: readonly StepReport[]): number => {
  const failures = reports.map(({ exitCode }) => exitCode).filter((code) => code !== EXIT.stopped)
  return failures.length === 0 ? EXIT.stopped : Math.min(...failures)
}

const INDENT = ' '.repeat(8)
/** Of the first column; a long path does not push the others out of sight. */
const MAX_WIDTH = 42

const textOf = ({ step, mount, exitCode, summary, rows, problems, warnings }: StepReport) => {
  const state = exitCode === EXIT.stopped ? 'ok' : 'FAILED'
  const title = mount === undefined ? step : `${step} ${mount}`
  const width = Math.min(MAX_WIDTH, Math.max(0, ...rows.map(([name]) => name.length)))
  return [
    `${state.padEnd(INDENT.length)}${title}: ${summary}`,
    ...rows.map(([name, value]) => `${INDENT}  ${name.padEnd(width)}  ${value}`),
    ...warnings.map((warning) => `${INDENT}warning: ${warning}`),
    ...problems.map((problem) => `${INDENT}problem: ${problem}`),
  ]
}

export const reportText = (reports: readonly StepReport[]): string =>
  `${reports.flatMap(textOf).join('\n')}\n`

/** One document; `exitCode` is that of the program. */
export const reportJson = (reports: readonly StepReport[]): string => {
  const exitCode = exitCodeOf(reports)
  const steps = reports.map((report) => {
    const { rows: _rows, data, exitCode: code, ...rest } = report
    return Object.assign({ ok: code === EXIT.stopped }, rest, data)
  })
  return `${JSON.stringify({ ok: exitCode === EXIT.stopped, exitCode, steps }, undefined, 2)}\n`
}
