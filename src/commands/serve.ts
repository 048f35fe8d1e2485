/** Configuration and key → a running proxy, or every problem at once on stderr and an exit code. */
import { isIPv6 } from 'node:net'
import type { Logger } from 'pino'
import { createApp } from '../app.ts'
import { systemClock } from '../clock.ts'
import { loadConfig, type Config, type Flags } from '../config/load-config.ts'
import { systemCode } from '../errors.ts'
import { createLogger } from '../logging/logger.ts'
import { Redactor } from '../logging/redaction.ts'
import { locateServiceKey, type FoundKey } from '../service-key/locate.ts'
import type { ServiceKey } from '../service-key/service-key.ts'
import { loadAuthorities } from '../trusted-authorities.ts'
import { EXIT, type Edge, type Running } from './edge.ts'

interface Prepared {
  readonly config: Config
  readonly warnings: readonly string[]
  readonly found: FoundKey
  readonly ca: readonly string[] | undefined
}

const refuse = (edge: Edge, problems: readonly string[], code: number): number => {
  edge.stderr.write(
    `service-key-proxy cannot start:\n${problems.map((p) => `  - ${p}\n`).join('')}`,
  )
  return code
}

/** Checks everything before giving up, so that one start shows all there is to mend. */
const prepare = (edge: Edge, flags: Flags): Prepared | number => {
  const { environment, readFile, files } = edge
  const { config, problems, warnings } = loadConfig(environment, flags)
  const authorities = loadAuthorities({ caFile: config.caFile, environment, readFile })
  const located = locateServiceKey({ ...config, environment, files })
  const faults = [...problems, ...authorities.problems]
  if (faults.length > 0 || !located.ok) {
    const all = [...faults, ...(located.ok ? [] : located.problems), ...warnings]
    const unbound = faults.length === 0 && !located.ok && located.reason === 'unbound'
    return refuse(edge, all, unbound ? EXIT.unbound : EXIT.configuration)
  }
  return { config, warnings, found: located, ca: authorities.certificates }
}

const announce = (log: Logger, { config, found, warnings }: Prepared, port: number): void => {
  for (const warning of [...warnings, ...found.warnings]) log.warn(warning)
  const { baseUrl, tokenEndpoint } = found.key
  log.info(
    {
      address: `http://${isIPv6(config.host) ? `[${config.host}]` : config.host}:${port}`,
      base_url: baseUrl.href,
      token_host: tokenEndpoint.host,
    },
    `listening; key from ${found.origin}, read once: a new one takes effect at a restart`,
  )
}

const startFailure = (edge: Edge, error: unknown, { host, port }: Config): number => {
  const code = systemCode(error)
  return code === 'EADDRINUSE'
    ? refuse(
        edge,
        [`port ${port} on ${host} is in use; choose another with SKP_PORT`],
        EXIT.portInUse,
      )
    : refuse(edge, [`cannot listen on ${host}:${port} (${code})`], EXIT.configuration)
}

const loggerFor = (edge: Edge, { logFormat, logLevel }: Config, redactor: Redactor) => {
  const automatic = edge.stdout.isTTY === true ? 'pretty' : 'json'
  const format = logFormat === 'auto' ? automatic : logFormat
  return createLogger({ level: logLevel, format, destination: edge.stdout, redactor })
}

const secretOf = ({ authentication }: ServiceKey): string =>
  authentication.method === 'client_secret_post'
    ? authentication.clientSecret
    : authentication.privateKey

/** @returns the running proxy, or the exit code after telling why there is none */
export const serve = async (edge: Edge, flags: Flags): Promise<Running | number> => {
  const prepared = prepare(edge, flags)
  if (typeof prepared === 'number') return prepared
  const { config, found, ca } = prepared
  const redactor = new Redactor()
  redactor.add(secretOf(found.key))
  const log = await loggerFor(edge, config, redactor)
  const app = await createApp({
    config,
    key: found.key,
    ca,
    log,
    redactor,
    clock: systemClock,
    random: Math.random,
    userAgent: `service-key-proxy/${edge.version}`,
  })
  try {
    announce(log, prepared, await app.start())
  } catch (error) {
    return startFailure(edge, error, config)
  }
  return {
    async stop(crash) {
      if (crash === undefined) log.info('stopping')
      else log.fatal({ err: crash }, 'stopping after a crash')
      await app.stop()
      log.info('stopped')
    },
  }
}
