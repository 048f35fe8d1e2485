/** Looks for everything that would keep the proxy from working, and tells it step by step. */
import type { ChildProcess } from 'node:child_process'
import { lookup } from 'node:dns/promises'
import { type Clock, systemClock } from '../../clock.ts'
import { type Config, type Flags, loadConfig } from '../../config/load-config.ts'
import { Redactor } from '../../logging/redaction.ts'
import { loadAuthorities } from '../../outbound/certificates.ts'
import { loadProxies } from '../../outbound/proxy-environment.ts'
import { secretOf, type ServiceKey } from '../../service-key/service-key.ts'
import type { AccessToken } from '../../token/access-token.ts'
import { codeOf } from '../exec.ts'
import { type Process, EXIT } from '../process.ts'
import { painter } from '../terminal.ts'
import { checkApi } from './api.ts'
import { checkKey, searchBinding, type Step, type Subject } from './key.ts'
import { type Finding, type Lookup, type Online, type Place, reach } from './reach.ts'
import { exitCodeOf, reportJson, reportText, type StepReport } from './report.ts'
import { checkToken, type TokenFinding } from './token.ts'

export interface CheckOptions {
  /** `lookup` of `node:dns/promises`, for all addresses. */
  readonly lookup: Lookup
  /** Aborts when the time for all steps is over. */
  readonly deadline: AbortSignal
}

/**
 * Every step is reported, on standard output. Settings that are wrong keep it from the network: the
 * credential could go where it was not meant to.
 *
 * @returns 0, or the exit code of the earliest cause
 */
export const check = async (
  edge: Process,
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
  const bindings = byBinding(config.routes)
  const found = await Promise.all(bindings.map((routes) => checkBinding(scene, routes)))
  const reports = [report, ...found.flat()]
  // Servers may have sent anything back.
  const text = scene.redactor.redact(
    json ? reportJson(reports) : reportText(reports, painter(edge.stdout, edge.environment)),
  )
  edge.stdout.write(text)
  return exitCodeOf(reports)
}

/**
 * @param child tells its exit code as a message when its output is written
 * @returns that code, or else the one it ends with
 */
export const endApart = (child: ChildProcess, clock: Clock): Promise<number> =>
  new Promise((resolve) => {
    let told: number | undefined
    child.once('message', (code) => {
      told = Number(code)
      const cancel = clock.schedule(GRACE_MS, () => void child.kill('SIGKILL'))
      child.once('exit', cancel)
    })
    child.once('exit', (code, signal) => resolve(told ?? codeOf(code, signal)))
  })

/** Both hosts at once, so that the problems of both are known. */
export const checkConnection = async (online: Online, key: ServiceKey): Promise<StepReport> => {
  const findings = await Promise.all(placesOf(key).map((place) => reach(online, place)))
  const failed = findings.filter(({ problem }) => problem !== undefined)
  return {
    step: 'connection',
    exitCode: failed[0]?.exitCode ?? EXIT.stopped,
    summary:
      failed.length === 0
        ? 'token server and API can be reached'
        : `no connection to the ${failed.map(({ place }) => place.name).join(' and the ')}`,
    problems: failed.map(({ place, problem }) => `${titleOf(place)}: ${problem}`),
    warnings: findings.flatMap(warningsOf),
    rows: findings.flatMap(rowsOf),
    data: {
      hosts: findings.map(({ place, addresses, proxy, chain, protocol }) => ({
        name: place.name,
        host: place.url.host,
        addresses,
        proxy: proxy && { origin: proxy.origin, variable: proxy.variable },
        protocol,
        chain,
      })),
    },
  }
}

/** @returns the steps for the routes of one binding, which share one token */
export const onlineSteps = (online: Online, onToken: (token: string) => void): readonly Step[] => {
  let finding: Promise<TokenFinding> | undefined
  return [
    limited(online, ['connection', EXIT.connection], async (subject) => ({
      report: await checkConnection(online, keyOf(subject)),
    })),
    limited(online, ['token', EXIT.tokenEndpoint], async (subject) => {
      finding ??= checkToken(online, keyOf(subject))
      const { report, token } = await finding
      if (token === undefined) return { report }
      onToken(token.value)
      return { report, token }
    }),
    limited(online, ['api', EXIT.api], async (subject) => ({
      report: await checkApi(online, keyOf(subject), subject.token as AccessToken),
    })),
  ]
}

const systemOptions = (): CheckOptions => ({
  lookup: (host) => lookup(host, { all: true }),
  deadline: AbortSignal.timeout(LIMIT_MS),
})

const checkSettings = (edge: Process, flags: Flags) => {
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

const byBinding = (routes: Config['routes']): readonly Config['routes'][] =>
  [...new Set(routes.map(({ binding }) => binding))].map((name) =>
    routes.filter(({ binding }) => binding === name),
  )

const checkBinding = async (
  scene: Scene,
  routes: Config['routes'],
): Promise<readonly StepReport[]> => {
  const [first] = routes as [Config['routes'][number]]
  const { report, found } = searchBinding(scene.edge, scene.config, first)
  if (found === undefined) return [report]
  const steps = stepsOf(scene)
  const reports = await Promise.all(routes.map((route) => runSteps(steps, { route, found })))
  return [report, ...reports.flat()]
}

/** Below the 15 s that are promised, because two processes start, read the key and end as well. */
const LIMIT_MS = 13_000

/** What the steps work with, and what must not be seen of it. */
interface Scene {
  readonly edge: Process
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

const runSteps = async (
  [step, ...rest]: readonly Step[],
  subject: Subject,
): Promise<readonly StepReport[]> => {
  if (step === undefined) return []
  const result = await step(subject)
  if (result.report.exitCode !== EXIT.stopped) return [result.report]
  return [result.report, ...(await runSteps(rest, result.subject))]
}

/* FOLDED:
 * A command in a process of its own, which is ended once it has told its exit code. A resolver of the
 * system that hangs keeps a thread that no limit of ours reaches and for which `process.exit` waits.
 */

/** For an end by itself. */
const GRACE_MS = 1_000

const placesOf = ({ tokenEndpoint, baseUrl, authentication }: ServiceKey): readonly Place[] => {
  const client =
    authentication.method === 'tls_client_auth'
      ? { cert: authentication.certificate, key: authentication.privateKey }
      : {}
  return [
    { name: 'token server', url: tokenEndpoint, client },
    { name: 'API', url: baseUrl, client: {} },
  ]
}

const titleOf = ({ name, url }: Place): string => `${name} ${url.host}`

const warningsOf = ({ place, chain, problem }: Finding): readonly string[] =>
  chain
    .filter(({ daysLeft }) => problem === undefined && daysLeft < FEW_DAYS)
    .map(
      ({ subject, daysLeft }) =>
        `${titleOf(place)}: the certificate of ${subject} has ${daysLeft} days left; its operator must renew it`,
    )

const rowsOf = (finding: Finding): StepReport['rows'] => [
  [titleOf(finding.place), [...wayOf(finding), encryptionOf(finding)].join(', ')],
  ...finding.chain.map(
    ({ subject, issuer, notAfter, daysLeft }, index): StepReport['rows'][number] => [
      `certificate ${index + 1}`,
      `${subject}, issued by ${issuer}, ${daysLeft} days left (until ${notAfter})`,
    ],
  ),
]

/* FOLDED: The step of `check` that connects to the token server and to the API. */

const FEW_DAYS = 14

const wayOf = ({ addresses, proxy }: Finding): readonly string[] =>
  proxy === undefined
    ? addresses
    : [`through the proxy ${new URL(proxy.origin).host} (${proxy.variable})`]

const encryptionOf = ({ protocol, problem }: Finding): string =>
  protocol ?? (problem === undefined ? 'no TLS' : 'no connection')

const limited =
  (
    { deadline }: Online,
    [step, exitCode]: readonly [step: string, exitCode: number],
    take: (subject: Subject) => Promise<TokenFinding>,
  ): Step =>
  async (subject) => {
    const { prefix } = subject.route
    const { report, token } = deadline.aborted
      ? { report: outOfTime(step, exitCode) }
      : await take(subject)
    return {
      report: { ...report, route: prefix === '' ? '/' : prefix },
      subject: token === undefined ? subject : { ...subject, token },
    }
  }

/* FOLDED: The steps of `check` that need the network, within one limit for all of them. */

/** After the key step there is one. */
const keyOf = ({ key }: Subject): ServiceKey => key as ServiceKey

const outOfTime = (step: string, exitCode: number): StepReport => ({
  step,
  exitCode,
  summary: 'not looked at',
  problems: ['the steps before it took all the time there is; mend what is slow, and try again'],
  warnings: [],
  rows: [],
  data: {},
})
