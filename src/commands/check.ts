/** Looks for everything that would keep the proxy from working, and tells it step by step. */
import { systemClock } from '../clock.ts'
import { loadConfig, type Config, type Flags } from '../config/load-config.ts'
import { loadAuthorities } from '../trusted-authorities.ts'
import { checkKey, searchBinding, type Subject } from './check-key.ts'
import { exitCodeOf, reportJson, reportText, type StepReport } from './check-report.ts'
import { EXIT, type Edge } from './edge.ts'

interface StepResult {
  readonly report: StepReport
  /** What the next step works with. */
  readonly subject: Subject
}

/** One step about one mount. It is only taken if the one before found nothing wrong. */
type Step = (subject: Subject) => StepResult | Promise<StepResult>

const runSteps = async (
  [step, ...rest]: readonly Step[],
  subject: Subject,
): Promise<readonly StepReport[]> => {
  if (step === undefined) return []
  const result = await step(subject)
  if (result.report.exitCode !== EXIT.stopped) return [result.report]
  return [result.report, ...(await runSteps(rest, result.subject))]
}

const checkSettings = (edge: Edge, flags: Flags) => {
  const { environment, readFile } = edge
  const { config, problems, warnings } = loadConfig(environment, flags)
  const authorities = loadAuthorities({ caFile: config.caFile, environment, readFile })
  const faults = [...problems, ...authorities.problems]
  const report: StepReport = {
    step: 'settings',
    exitCode: faults.length === 0 ? EXIT.stopped : EXIT.configuration,
    summary: faults.length === 0 ? 'nothing is wrong with them' : 'the proxy would not start',
    problems: faults,
    warnings,
    rows: [],
    data: {},
  }
  return { config, report }
}

const checkBinding = async (
  edge: Edge,
  config: Config,
  mounts: Config['mounts'],
): Promise<readonly StepReport[]> => {
  const [first] = mounts as [Config['mounts'][number]]
  const { report, found } = searchBinding(edge, config, first)
  if (found === undefined) return [report]
  const { wall } = systemClock.now()
  const steps: readonly Step[] = [(subject) => checkKey(config, subject, wall)]
  const reports = await Promise.all(mounts.map((mount) => runSteps(steps, { mount, found })))
  return [report, ...reports.flat()]
}

const byBinding = (mounts: Config['mounts']): readonly Config['mounts'][] =>
  [...new Set(mounts.map(({ binding }) => binding))].map((name) =>
    mounts.filter(({ binding }) => binding === name),
  )

/**
 * Every step is reported, on standard output.
 * @returns the exit code of the first step that failed; 0 if none did
 */
export const check = async (edge: Edge, flags: Flags, json: boolean): Promise<number> => {
  const { config, report } = checkSettings(edge, flags)
  const bindings = byBinding(config.mounts)
  const found = await Promise.all(bindings.map((mounts) => checkBinding(edge, config, mounts)))
  const reports = [report, ...found.flat()]
  edge.stdout.write(json ? reportJson(reports) : reportText(reports))
  return exitCodeOf(reports)
}
