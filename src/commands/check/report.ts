/** What the steps of `check` found, as text for people and as JSON for programs. Pure. */
import { EXIT, type Paint } from '../process.ts'

export interface StepReport {
  readonly step: string
  /** Prefix of the route that the step is about, if it is about one. */
  readonly route?: string
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

/** That of the earliest cause: the codes rise from step to step, whatever route they are about. */
export const exitCodeOf = (reports: readonly StepReport[]): number => {
  const failures = reports.map(({ exitCode }) => exitCode).filter((code) => code !== EXIT.stopped)
  return failures.length === 0 ? EXIT.stopped : Math.min(...failures)
}

export const reportText = (reports: readonly StepReport[], paint: Paint): string =>
  `${reports.flatMap((report) => textOf(report, paint)).join('\n')}\n`

/** One document; `exitCode` is that of the program. */
export const reportJson = (reports: readonly StepReport[]): string => {
  const exitCode = exitCodeOf(reports)
  const steps = reports.map((report) => {
    const { rows: _rows, data, exitCode: code, ...rest } = report
    return Object.assign({ ok: code === EXIT.stopped }, rest, data)
  })
  return `${JSON.stringify({ ok: exitCode === EXIT.stopped, exitCode, steps }, undefined, 2)}\n`
}

/** How a route is named by its prefix. */
export const routeName = (prefix: string): string => (prefix === '' ? '/' : prefix)

/** What a server sent, for a terminal: one line, no control characters, not endless. */
export const printable = (text: string): string => {
  const plain = text.replaceAll(/[^\x20-\x7e]/g, '?')
  return plain.length > MAX_LENGTH ? `${plain.slice(0, MAX_LENGTH)}…` : plain
}

const MAX_LENGTH = 200

const textOf = (report: StepReport, paint: Paint): readonly string[] => {
  const { step, route, summary, rows, problems, warnings } = report
  const title = route === undefined ? step : `${step} ${route}`
  const width = Math.min(MAX_WIDTH, Math.max(0, ...rows.map(([name]) => name.length)))
  return [
    `${stateOf(report, paint)}${title}: ${summary}`,
    ...rows.map(([name, value]) => `${INDENT}  ${name.padEnd(width)}  ${value}`),
    ...warnings.map((warning) => `${INDENT}${paint('warning:', 'yellow')} ${warning}`),
    ...problems.map((problem) => `${INDENT}${paint('problem:', 'red')} ${problem}`),
  ]
}

/** Of the first column; a long path does not push the others out of sight. */
const MAX_WIDTH = 42

/** Padded before it is painted: colour has no width. */
const stateOf = ({ exitCode, warnings }: StepReport, paint: Paint): string => {
  if (exitCode !== EXIT.stopped) return paint('FAILED'.padEnd(INDENT.length), 'red')
  return paint('ok'.padEnd(INDENT.length), warnings.length === 0 ? 'green' : 'yellow')
}

const INDENT = ' '.repeat(8)
