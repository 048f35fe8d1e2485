/** Configuration and key → a running proxy, or every problem at once on stderr and an exit code. */
import { isIPv6 } from 'node:net'
import type { Logger } from 'pino'
import { type AppOptions, createApp } from '../app/app.ts'
import type { BoundKeySource } from '../app/bound-key.ts'
import { systemClock } from '../clock.ts'
import { type Config, type Flags, loadConfig } from '../config/load-config.ts'
import { systemCode } from '../errors.ts'
import { tracingLog } from '../logging/key-log.ts'
import { BatchedDestination } from '../logging/log-destination.ts'
import { cloudFoundryFields, createLogger } from '../logging/logger.ts'
import { redactedLines, Redactor } from '../logging/redaction.ts'
import { loadAuthorities } from '../outbound/certificates.ts'
import { loadProxies, type OutboundProxies } from '../outbound/proxy-environment.ts'
import { describeFound } from '../service-key/binding-selection.ts'
import { type KeySource, keySources, type UnreadKey } from '../service-key/key-source.ts'
import { loadTracing } from '../tracing/tracing.ts'
import { type Process, EXIT, type Running } from './process.ts'
import { hasColor, painter } from './terminal.ts'

/** @returns the running proxy, or the exit code after telling why there is none */
export const serve = async (edge: Process, flags: Flags): Promise<Running | number> => {
  const prepared = prepare(edge, flags)
  if (typeof prepared === 'number') return prepared
  const { config, proxies } = prepared
  const redactor = new Redactor()
  for (const secret of proxies.secrets) redactor.keep(secret)
  const { log, lines } = await openLog(edge, config, redactor)
  const app = await createApp(await appOptions(edge, prepared, log, redactor))
  let port: number
  try {
    port = await app.start()
    announce(log, prepared, port)
    lines.flushSync()
  } catch (error) {
    return startFailure(edge, error, config)
  }
  return {
    url: localUrl(config.host, port),
    readiness: () => app.readiness(),
    reload: () => app.reload(),
    stop: (crash) => stopWithLog({ stop: () => app.stop(), log, lines }, crash),
    flush: () => lines.flushSync(),
  }
}

/** @returns scheme, host and port, without a slash at the end */
export const localUrl = (listenHost: string, port: number): string => {
  const host = LOOPBACK.get(listenHost) ?? listenHost
  return `http://${isIPv6(host) ? `[${host}]` : host}:${port}`
}

/** Two routes may lack the same. */
export const missingKeyProblems = (missing: readonly UnreadKey[]): readonly string[] => [
  ...new Set(missing.flatMap(keyProblems)),
]

/* FOLDED: Where the log and the traces of this process go. */

/** Lines for a machine are written together; those for somebody who watches, at once. */
export const openLog = async (
  edge: Pick<Process, 'stdout' | 'environment'>,
  { logFormat, logLevel }: Pick<Config, 'logFormat' | 'logLevel'>,
  redactor: Redactor,
) => {
  const { stdout, environment } = edge
  const automatic = stdout.isTTY === true ? 'pretty' : 'json'
  const format = logFormat === 'auto' ? automatic : logFormat
  const output = redactedLines(stdout, redactor)
  const lines = new BatchedDestination(output, systemClock)
  const log = await createLogger({
    level: logLevel,
    format,
    color: hasColor(stdout, environment),
    destination: format === 'json' ? lines : output,
    fields: cloudFoundryFields(environment),
  })
  return { log, lines }
}

export const openTracing = ({ environment, version }: Process, log: Logger) =>
  loadTracing({
    environment,
    version,
    clock: systemClock,
    onProblem: tracingLog(log, systemClock),
  })

/** What of a program ends last. */
interface Ending {
  readonly stop: () => Promise<void>
  readonly log: Logger
  readonly lines: BatchedDestination
}

/** @param crash what was thrown outside any request, if that is the reason to stop */
export const stopWithLog = async ({ stop, log, lines }: Ending, crash: unknown): Promise<void> => {
  if (crash === undefined) log.info('stopping')
  else log.fatal({ err: crash }, 'stopping after a crash')
  await stop()
  log.info('stopped')
  await lines.flush()
}

/**
 * @param version of Node, such as `v24.18.1`
 * @returns what to tell the operator, if the version is affected
 */
export const nodeAdvisory = (version: string): string | undefined =>
  isAffected(version)
    ? `Node ${version.replace(/^v/, '')} loses header fields after the 1,000th (CVE-2026-58044), which this program works around; update Node to 22.23.2, 24.18.1, 26.5.1 or later`
    : undefined

/** Checks everything before giving up, so that one start shows all there is to mend. */
const prepare = (edge: Process, flags: Flags): Prepared | number => {
  const { environment, readFile, files } = edge
  const { config, problems, warnings } = loadConfig(environment, flags)
  const authorities = loadAuthorities({ caFile: config.caFile, environment, readFile })
  const proxies = loadProxies(environment)
  const { keys, missing } = readKeys(keySources(config.routes, { ...config, environment, files }))
  const faults = [...problems, ...authorities.problems, ...proxies.problems]
  if (faults.length > 0 || missing.length > 0) {
    const all = [...faults, ...missingKeyProblems(missing), ...warnings]
    const unbound = faults.length === 0 && missing.every(({ reason }) => reason === 'unbound')
    const code = refuse(edge, all, unbound ? EXIT.unbound : EXIT.configuration)
    edge.stderr.write(`For more about each, with the same settings:\n  ${CHECK}\n`)
    return code
  }
  const advisory = nodeAdvisory(edge.nodeVersion)
  const told = [
    ...(advisory === undefined ? [] : [advisory]),
    ...warnings,
    ...keys.flatMap(({ reading }) => reading.warnings),
  ]
  return { config, warnings: told, keys, ca: authorities.certificates, proxies }
}

const appOptions = async (
  edge: Process,
  { config, keys, ca, proxies }: Prepared,
  log: Logger,
  redactor: Redactor,
): Promise<AppOptions> => ({
  config,
  keys,
  watch: edge.watch,
  ca,
  proxyFor: proxies.proxyFor,
  log,
  redactor,
  clock: systemClock,
  random: Math.random,
  userAgent: `service-key-proxy/${edge.version}`,
  tracing: await openTracing(edge, log),
})

const announce = (
  log: Logger,
  { config, keys, warnings, proxies }: Prepared,
  port: number,
): void => {
  for (const warning of warnings) log.warn(warning)
  for (const key of keys) announceKey(log, key, proxies)
  const host = isIPv6(config.host) ? `[${config.host}]` : config.host
  log.info({ address: `http://${host}:${port}` }, `listening on http://${host}:${port}`)
}

const startFailure = (edge: Process, error: unknown, config: Config): number => {
  const code = systemCode(error)
  const isAdmin = (error as { port?: unknown }).port === config.adminPort
  const [setting, hostSetting, host, port] = isAdmin
    ? ['SKP_ADMIN_PORT', 'SKP_ADMIN_HOST', config.adminHost, config.adminPort]
    : ['SKP_PORT', 'SKP_HOST', config.host, config.port]
  return code === 'EADDRINUSE'
    ? refuse(
        edge,
        [`port ${port} on ${host} is in use; choose another with ${setting}`],
        EXIT.portInUse,
      )
    : refuse(
        edge,
        [`cannot listen on ${host}:${port} (${code}); change ${hostSetting} or ${setting}`],
        EXIT.configuration,
      )
}

interface Prepared {
  readonly config: Config
  readonly warnings: readonly string[]
  readonly keys: readonly BoundKeySource[]
  readonly ca: readonly string[] | undefined
  readonly proxies: OutboundProxies
}

/** Reads every key, so that the problems of all are known. */
const readKeys = (sources: readonly KeySource[]) => {
  const keys: BoundKeySource[] = []
  const missing: UnreadKey[] = []
  for (const source of sources) {
    const reading = source.read()
    if (reading.ok) keys.push({ source, reading })
    else missing.push(reading)
  }
  return { keys, missing }
}

const refuse = (edge: Process, problems: readonly string[], code: number): number => {
  const title = painter(edge.stderr, edge.environment)('service-key-proxy cannot start:', 'red')
  edge.stderr.write(`${title}\n${problems.map((p) => `  - ${p}\n`).join('')}`)
  return code
}

const CHECK = 'service-key-proxy check'

const announceKey = (log: Logger, { reading }: BoundKeySource, proxies: OutboundProxies): void => {
  const renewal =
    reading.watch.length === 0
      ? 'it came with the environment, so a new one takes effect at a restart only'
      : 'a new one is taken over when it appears there'
  for (const { prefix, key } of reading.keys) {
    log.info(
      {
        route: `${prefix}/`,
        base_url: key.baseUrl.href,
        token_host: key.tokenEndpoint.host,
        ...viaProxy(proxies, 'api_proxy', key.baseUrl),
        ...viaProxy(proxies, 'token_proxy', key.tokenEndpoint),
      },
      `key from ${reading.origin}; ${renewal}`,
    )
  }
}

const viaProxy = (proxies: OutboundProxies, name: string, url: URL) => {
  const proxy = proxies.proxyFor(url)
  return proxy && { [name]: `${new URL(proxy.origin).host} (${proxy.variable})` }
}

/* FOLDED: Where callers on this machine reach the proxy. Pure. */

/** An address to listen on that means every one is none to connect to. */
const LOOPBACK: ReadonlyMap<string, string> = new Map([
  ['0.0.0.0', '127.0.0.1'],
  ['::', '::1'],
])

/* FOLDED: Why the program cannot start, for somebody in front of a terminal. Pure. */

/** Where it was looked for goes below, a line for each place, because it would fill several. */
const keyProblems = ({ problems, wanted, attempts = [] }: UnreadKey): readonly string[] => {
  if (wanted === undefined) return problems
  const width = Math.max(...attempts.map(({ place }) => place.length))
  const rows = attempts.map(
    (attempt) => `      ${attempt.place.padEnd(width)}  ${describeFound(attempt)}`,
  )
  return [[`${wanted}; looked at`, ...rows].join('\n')]
}

const isAffected = (version: string): boolean => {
  const [major = 0, minor = 0, patch = 0] = version.replace(/^v/, '').split('.').map(Number)
  if (major > NEWEST_LINE) return false
  const fixed = FIXED[major]
  if (fixed === undefined) return true
  return minor < fixed[0] || (minor === fixed[0] && patch < fixed[1])
}

const NEWEST_LINE = 26

/* FOLDED:
 * CVE-2026-58044: Node drops the header fields of a request after the 1,000th, those of framing
 * included. This program asks for all of them and limits their size instead; what else runs on that
 * Node is exposed. Pure.
 */

/** The first release of each line that has the fix; lines in between never got it. */
const FIXED: Readonly<Record<number, readonly [minor: number, patch: number]>> = {
  22: [23, 2],
  24: [18, 1],
  26: [5, 1],
}
