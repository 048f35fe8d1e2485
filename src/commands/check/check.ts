/** Looks for everything that would keep the proxy from working, and tells it step by step. */
import type { ChildProcess } from 'node:child_process'
import { lookup } from 'node:dns/promises'
import { type Clock, systemClock } from '../../clock.ts'
import { type Config, type Flags, loadConfig } from '../../config/load-config.ts'
import { Redactor } from '../../logging/redaction.ts'
import { loadAuthorities } from '../../outbound/certificates.ts'
import { loadProxies } from '../../outbound/proxy-environment.ts'
import type { FoundCredentials } from '../../service-key/key-source.ts'
import { secretOf, type ServiceKey } from '../../service-key/service-key.ts'
import { childExitCode, EXIT, painter, type Process } from '../process.ts'
import { checkApi } from './api.ts'
import { checkConnection, type Lookup, type Online } from './connection.ts'
import { checkKey, searchBinding } from './key.ts'
import { exitCodeOf, reportJson, reportText, routeName, type StepReport } from './report.ts'
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
  process: Process,
  flags: Flags,
  json: boolean,
  options: CheckOptions = systemOptions(),
): Promise<number> => {
  const { stdout, environment, version } = process
  const { config, report, ca, proxies } = checkSettings(process, flags)
  const userAgent = `service-key-proxy/${version}`
  const online =
    report.exitCode === EXIT.stopped
      ? { ...options, config, ca, userAgent, wall, proxyFor: proxies.proxyFor }
      : undefined
  const scene = { process, config, online, redactor: new Redactor() }
  for (const secret of proxies.secrets) scene.redactor.keep(secret)
  const bindings = byBinding(config.routes)
  const found = await Promise.all(bindings.map((routes) => checkBinding(scene, routes)))
  const reports = [report, ...found.flat()]
  // Servers may have sent anything back.
  const text = scene.redactor.redact(
    json ? reportJson(reports) : reportText(reports, painter(stdout, environment)),
  )
  stdout.write(text)
  return exitCodeOf(reports)
}

/**
 * The command runs in a process of its own, which is ended once it has told its exit code: a resolver
 * of the system that hangs keeps a thread that no limit of ours reaches and for which `process.exit`
 * waits.
 *
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
    child.once('exit', (code, signal) => resolve(told ?? childExitCode(code, signal)))
  })

/** For an end by itself. */
const GRACE_MS = 1_000

const systemOptions = (): CheckOptions => ({
  lookup: (host) => lookup(host, { all: true }),
  deadline: AbortSignal.timeout(LIMIT_MS),
})

/** Below the 15 s that are promised, because two processes start, read the key and end as well. */
const LIMIT_MS = 13_000

const wall = (): number => systemClock.now().wall

const checkSettings = ({ environment, readFile }: Process, flags: Flags) => {
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

type RouteSetting = Config['routes'][number]

const byBinding = (routes: Config['routes']): readonly Config['routes'][] =>
  [...new Set(routes.map(({ binding }) => binding))].map((name) =>
    routes.filter(({ binding }) => binding === name),
  )

/** What the steps work with, and what must not be seen of it. */
interface Scene {
  readonly process: Process
  readonly config: Config
  /** `undefined`: the network is left alone. */
  readonly online: Online | undefined
  readonly redactor: Redactor
}

/** The routes of one binding share one token, as they do in the proxy. */
const checkBinding = async (
  scene: Scene,
  routes: Config['routes'],
): Promise<readonly StepReport[]> => {
  const { process, config, redactor } = scene
  const { report, found } = searchBinding(process, config, routes[0] as RouteSetting)
  if (found === undefined) return [report]
  let finding: Promise<TokenFinding> | undefined
  const takeToken = async (online: Online, key: ServiceKey): Promise<TokenFinding> => {
    finding ??= checkToken(online, key)
    const { token } = await finding
    if (token !== undefined) redactor.addToken(token.value)
    return finding
  }
  const reports = await Promise.all(
    routes.map((route) => checkRoute(scene, route, found, takeToken)),
  )
  return [report, ...reports.flat()]
}

type TakeToken = (online: Online, key: ServiceKey) => Promise<TokenFinding>

/** A step is only taken if the one before found nothing wrong. */
const checkRoute = async (
  { config, online, redactor }: Scene,
  route: RouteSetting,
  found: FoundCredentials,
  takeToken: TakeToken,
): Promise<readonly StepReport[]> => {
  const { report, key } = checkKey(config, route, found, wall())
  if (key === undefined) return [report]
  redactor.addSecret(secretOf(key.authentication))
  if (online === undefined || report.exitCode !== EXIT.stopped) return [report]
  const reports = await checkServers(online, key, takeToken)
  const name = { route: routeName(route.prefix) }
  return [report, ...reports.map((step) => Object.assign({}, step, name))]
}

/** The steps that need the network, within one limit for all of them. */
const checkServers = async (
  online: Online,
  key: ServiceKey,
  takeToken: TakeToken,
): Promise<readonly StepReport[]> => {
  const late = outOfTime('connection', EXIT.connection)
  const connection = await inTime(online, late, () => checkConnection(online, key))
  if (connection.exitCode !== EXIT.stopped) return [connection]
  const noToken: TokenFinding = { report: outOfTime('token', EXIT.tokenEndpoint) }
  const { report, token } = await inTime(online, noToken, () => takeToken(online, key))
  if (token === undefined) return [connection, report]
  const noApi = outOfTime('api', EXIT.api)
  return [connection, report, await inTime(online, noApi, () => checkApi(online, key, token))]
}

/** @param late what is told instead of a step for which there is no time left */
const inTime = <T>({ deadline }: Online, late: T, step: () => Promise<T>): Promise<T> =>
  deadline.aborted ? Promise.resolve(late) : step()

const outOfTime = (step: string, exitCode: number): StepReport => ({
  step,
  exitCode,
  summary: 'not looked at',
  problems: ['the steps before it took all the time there is; mend what is slow, and try again'],
  warnings: [],
  rows: [],
  data: {},
})
