/** Configuration and key → a running proxy, or every problem at once on stderr and an exit code. */
import { isIPv6 } from 'node:net'
import type { Logger } from 'pino'
import { createApp, type AppOptions } from '../app.ts'
import type { BoundKeySource } from '../bound-keys.ts'
import { systemClock } from '../clock.ts'
import { loadConfig, type Config, type Flags } from '../config/load-config.ts'
import { systemCode } from '../errors.ts'
import { Redactor } from '../logging/redaction.ts'
import { nodeAdvisory } from '../node-advisory.ts'
import { loadProxies, type OutboundProxies } from '../outbound-proxy.ts'
import { keySources, type KeySource, type UnreadKey } from '../service-key/key-source.ts'
import { loadAuthorities } from '../trusted-authorities.ts'
import { painter } from './color.ts'
import { EXIT, type Edge, type Running } from './edge.ts'
import { localUrl } from './local-url.ts'
import { missingKeyProblems } from './start-problems.ts'
import { openLog, openTracing, stopWithLog } from './telemetry.ts'

interface Prepared {
  readonly config: Config
  readonly warnings: readonly string[]
  readonly keys: readonly BoundKeySource[]
  readonly ca: readonly string[] | undefined
  readonly proxies: OutboundProxies
}

const CHECK = 'service-key-proxy check'

const refuse = (edge: Edge, problems: readonly string[], code: number): number => {
  const title = painter(edge.stderr, edge.environment)('service-key-proxy cannot start:', 'red')
  edge.stderr.write(`${title}\n${problems.map((p) => `  - ${p}\n`).join('')}`)
  return code
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

/** Checks everything before giving up, so that one start shows all there is to mend. */
const prepare = (edge: Edge, flags: Flags): Prepared | number => {
  const { environment, readFile, files } = edge
  const { config, problems, warnings } = loadConfig(environment, flags)
  const authorities = loadAuthorities({ caFile: config.caFile, environment, readFile })
  const proxies = loadProxies(environment)
  const { keys, missing } = readKeys(keySources(config.mounts, { ...config, environment, files }))
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

const viaProxy = (proxies: OutboundProxies, name: string, url: URL) => {
  const proxy = proxies.proxyFor(url)
  return proxy && { [name]: `${new URL(proxy.origin).host} (${proxy.variable})` }
}

const announceKey = (log: Logger, { reading }: BoundKeySource, proxies: OutboundProxies): void => {
  const renewal =
    reading.watch.length === 0
      ? 'it came with the environment, so a new one takes effect at a restart only'
      : 'a new one is taken over when it appears there'
  for (const { prefix, key } of reading.keys) {
    log.info(
      {
        mount: `${prefix}/`,
        base_url: key.baseUrl.href,
        token_host: key.tokenEndpoint.host,
        ...viaProxy(proxies, 'api_proxy', key.baseUrl),
        ...viaProxy(proxies, 'token_proxy', key.tokenEndpoint),
      },
      `key from ${reading.origin}; ${renewal}`,
    )
  }
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

const startFailure = (edge: Edge, error: unknown, config: Config): number => {
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

const appOptions = async (
  edge: Edge,
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

/** @returns the running proxy, or the exit code after telling why there is none */
export const serve = async (edge: Edge, flags: Flags): Promise<Running | number> => {
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
