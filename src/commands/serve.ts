/** Configuration and key → a running proxy, or every problem at once on stderr and an exit code. */
import { isIPv6 } from 'node:net'
import type { Logger } from 'pino'
import { createApp, type BoundKeySource } from '../app/app.ts'
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
import { EXIT, hasColor, localUrl, painter, type Process, type Running } from './process.ts'

/** @returns the running proxy, or the exit code after telling why there is none */
export const serve = async (process: Process, flags: Flags): Promise<Running | number> => {
  const prepared = prepare(process, flags)
  if (typeof prepared === 'number') return prepared
  const { config, keys, ca, proxies } = prepared
  const { environment, version, watch } = process
  const clock = systemClock
  const redactor = new Redactor()
  for (const secret of proxies.secrets) redactor.keep(secret)
  const { log, lines } = await openLog(process, config, redactor)
  const onProblem = tracingLog(log, clock)
  const app = await createApp({
    config,
    keys,
    watch,
    ca,
    proxyFor: proxies.proxyFor,
    log,
    redactor,
    clock,
    random: Math.random,
    userAgent: `service-key-proxy/${version}`,
    tracing: await loadTracing({ environment, version, clock, onProblem }),
  })
  let port: number
  try {
    port = await app.start()
    announce(log, prepared, port)
    for (const gain of missedGains(process)) log.debug(gain)
    lines.flushSync()
  } catch (error) {
    return startFailure(process, error, config)
  }
  return {
    url: localUrl(config.host, port),
    readiness: () => app.readiness(),
    reload: () => app.reload(),
    async stop(crash) {
      if (crash === undefined) log.info('stopping')
      else log.fatal({ err: crash }, 'stopping after a crash')
      await app.stop()
      log.info('stopped')
      await lines.flush()
    },
    flush: () => lines.flushSync(),
  }
}

interface Prepared {
  readonly config: Config
  readonly warnings: readonly string[]
  readonly keys: readonly BoundKeySource[]
  readonly ca: readonly string[] | undefined
  readonly proxies: OutboundProxies
}

/** Checks everything before giving up, so that one start shows all there is to mend. */
const prepare = (process: Process, flags: Flags): Prepared | number => {
  const { environment, readFile, files } = process
  const { config, problems, warnings } = loadConfig(environment, flags)
  const authorities = loadAuthorities({ caFile: config.caFile, environment, readFile })
  const proxies = loadProxies(environment)
  const { keys, missing } = readKeys(keySources(config.routes, { ...config, environment, files }))
  const faults = [...problems, ...authorities.problems, ...proxies.problems]
  if (faults.length > 0 || missing.length > 0) {
    // Two routes may lack the same key.
    const all = [...faults, ...new Set(missing.flatMap(keyProblems)), ...warnings]
    const unbound = faults.length === 0 && missing.every(({ reason }) => reason === 'unbound')
    const code = refuse(process, all, unbound ? EXIT.unbound : EXIT.configuration)
    process.stderr.write(
      'For more about each, with the same settings:\n  service-key-proxy check\n',
    )
    return code
  }
  const advisory = nodeAdvisory(process.nodeVersion)
  const told = [
    ...(advisory === undefined ? [] : [advisory]),
    ...warnings,
    ...keys.flatMap(({ reading }) => reading.warnings),
  ]
  return { config, warnings: told, keys, ca: authorities.certificates, proxies }
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

/** Where it was looked for goes below, a line for each place, because it would fill several. */
const keyProblems = ({ problems, wanted, attempts = [] }: UnreadKey): readonly string[] => {
  if (wanted === undefined) return problems
  const width = Math.max(...attempts.map(({ place }) => place.length))
  const rows = attempts.map(
    (attempt) => `      ${attempt.place.padEnd(width)}  ${describeFound(attempt)}`,
  )
  return [[`${wanted}; looked at`, ...rows].join('\n')]
}

const refuse = (
  { stderr, environment }: Process,
  problems: readonly string[],
  code: number,
): number => {
  const title = painter(stderr, environment)('service-key-proxy cannot start:', 'red')
  stderr.write(`${title}\n${problems.map((problem) => `  - ${problem}\n`).join('')}`)
  return code
}

/**
 * Of a Node with CVE-2026-58044, which drops the header fields of a request after the 1,000th, those
 * of framing included. This program asks for all of them and limits their size instead; what else
 * runs on that Node is exposed.
 *
 * @param version of Node, such as `v24.18.1`
 * @returns what to tell the operator, if the version is affected
 */
export const nodeAdvisory = (version: string): string | undefined => {
  const plain = version.replace(/^v/, '')
  const [major = 0, minor = 0, patch = 0] = plain.split('.').map(Number)
  const [fixedMinor, fixedPatch] = FIXED[major] ?? [Infinity, 0]
  const isFixed = minor > fixedMinor || (minor === fixedMinor && patch >= fixedPatch)
  return isFixed || major > NEWEST_LINE
    ? undefined
    : `Node ${plain} loses header fields after the 1,000th (CVE-2026-58044), which this program works around; update Node to 22.23.2, 24.18.1, 26.5.1 or later`
}

/** The first release of each line that has the fix; lines in between never got it. */
const FIXED: Readonly<Record<number, readonly [minor: number, patch: number]>> = {
  22: [23, 2],
  24: [18, 1],
  26: [5, 1],
}

const NEWEST_LINE = 26

/**
 * What each of Node's own flags that `npm start` and the image have would gain here; everything works
 * without them.
 */
const missedGains = ({ nodeFlags, environment }: Process): readonly string[] => {
  const given = [...nodeFlags, environment['NODE_OPTIONS']].join(' ')
  return Object.entries(GAINS).flatMap(([flag, gain]) =>
    given.includes(flag.split('=', 1)[0] as string)
      ? []
      : [`Node was started without ${flag}, which ${gain}`],
  )
}

const GAINS = {
  '--max-semi-space-size=16': 'halves the CPU time of a request in a small container',
  '--expose-gc': 'lets memory of streamed bodies be collected without a detour',
} as const

/** Lines for a machine are written together; those for somebody who watches, at once. */
const openLog = async (
  { stdout, environment }: Process,
  { logFormat, logLevel }: Config,
  redactor: Redactor,
) => {
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

const startFailure = (process: Process, error: unknown, config: Config): number => {
  const code = systemCode(error)
  const isAdmin = (error as { port?: unknown }).port === config.adminPort
  const [setting, hostSetting, host, port] = isAdmin
    ? ['SKP_ADMIN_PORT', 'SKP_ADMIN_HOST', config.adminHost, config.adminPort]
    : ['SKP_PORT', 'SKP_HOST', config.host, config.port]
  if (code === 'EADDRINUSE') {
    const problem = `port ${port} on ${host} is in use; choose another with ${setting}`
    return refuse(process, [problem], EXIT.portInUse)
  }
  const problem = `cannot listen on ${host}:${port} (${code}); change ${hostSetting} or ${setting}`
  return refuse(process, [problem], EXIT.configuration)
}
