/** Looks for everything that would keep the proxy from working, and tells it step by step. */
import { lookup } from 'node:dns/promises'
import { systemClock } from '../clock.ts'
import { loadConfig, type Config, type Flags } from '../config/load-config.ts'
import { Redactor } from '../logging/redaction.ts'
import { loadProxies } from '../outbound-proxy.ts'
import { secretOf } from '../service-key/client-authentication.ts'
import { loadAuthorities } from '../trusted-authorities.ts'
import type { Lookup, Online } from './check-place.ts'
import { checkKey, searchBinding, type Step, type Subject } from './check-key.ts'
import { onlineSteps } from './check-online.ts'
import { exitCodeOf, reportJson, reportText, type StepReport } from './check-report.ts'
import { painter } from './color.ts'
import { EXIT, type Edge } from './edge.ts'

export interface CheckOptions {
  /** `lookup` of `node:dns/promises`, for all addresses. */
  readonly lookup: Lookup
  /** Aborts when the time for all steps is over. */
  readonly deadline: AbortSignal
}

/** Below the 15 s that are promised, because two processes start, read the key and end as well. */
const LIMIT_MS = 13_000

const systemOptions = (): CheckOptions => ({
  lookup: (host) => lookup(host, { all: true }),
  deadline: AbortSignal.timeout(LIMIT_MS),
})

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
  const proxies = loadProxies(environment)
  const faults = [...problems, ...authorities.problems, ...proxies.problems]
  const report: StepReport = {
    step: 'settings',
    exitCode: faults.length === 0 ? EXIT.stopped : EXIT.configuration,
    summary: faults.length === 0 ? 'nothing is wrong with them' : 'the proxy would not start',
    problems: faults,
    warnings,
    rows: [],
    data: {},
  }
  return { config, report, ca: authorities.certificates, proxies }
}

const wall = (): number => systemClock.now().wall

/** What the steps work with, and what must not be seen of it. */
interface Scene {
  readonly edge: Edge
  readonly config: Config
  /** `undefined`: the network is left alone. */
  readonly online: Online | undefined
  readonly redactor: Redactor
}

const stepsOf = ({ config, online, redactor }: Scene): readonly Step[] => {
  const keyStep: Step = (subject) => {
    const result = checkKey(config, subject, wall())
    const { key } = result.subject
    if (key !== undefined) redactor.addSecret(secretOf(key.authentication))
    return result
  }
  return online === undefined
    ? [keyStep]
    : [keyStep, ...onlineSteps(online, (token) => redactor.addToken(token))]
}

const checkBinding = async (
  scene: Scene,
  mounts: Config['mounts'],
): Promise<readonly StepReport[]> => {
  const [first] = mounts as [Config['mounts'][number]]
  const { report, found } = searchBinding(scene.edge, scene.config, first)
  if (found === undefined) return [report]
  const steps = stepsOf(scene)
  const reports = await Promise.all(mounts.map((mount) => runSteps(steps, { mount, found })))
  return [report, ...reports.flat()]
}

const byBinding = (mounts: Config['mounts']): readonly Config['mounts'][] =>
  [...new Set(mounts.map(({ binding }) => binding))].map((name) =>
    mounts.filter(({ binding }) => binding === name),
  )

/**
 * Every step is reported, on standard output. Settings that are wrong keep it from the network: the
 * credential could go where it was not meant to.
 *
 * @returns 0, or the exit code of the earliest cause
 */
export const check = async (
  edge: Edge,
  flags: Flags,
  json: boolean,
  options: CheckOptions = systemOptions(),
): Promise<number> => {
  const { config, report, ca, proxies } = checkSettings(edge, flags)
  const userAgent = `service-key-proxy/${edge.version}`
  const online =
    report.exitCode === EXIT.stopped
      ? { ...options, config, ca, userAgent, wall, proxyFor: proxies.proxyFor }
      : undefined
  const scene = { edge, config, online, redactor: new Redactor() }
  for (const secret of proxies.secrets) scene.redactor.keep(secret)
  const bindings = byBinding(config.mounts)
  const found = await Promise.all(bindings.map((mounts) => checkBinding(scene, mounts)))
  const reports = [report, ...found.flat()]
  // Servers may have sent anything back.
  const text = scene.redactor.redact(
    json ? reportJson(reports) : reportText(reports, painter(edge.stdout, edge.environment)),
  )
  edge.stdout.write(text)
  return exitCodeOf(reports)
}
