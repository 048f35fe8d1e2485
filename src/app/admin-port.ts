/** The admin port with all that it shows: app.ts's other half. */
import type { FastifyInstance } from 'fastify'
import type { Logger } from 'pino'
import { createAdminServer } from '../admin/admin-server.ts'
import { createExposition } from '../admin/exposition.ts'
import type { ProxyMetrics } from '../admin/metrics.ts'
import type { Readiness } from '../admin/readiness.ts'
import type { BoundKey } from './bound-key.ts'
import type { Clock } from '../clock.ts'
import { effectiveSettings } from '../config/effective-settings.ts'
import type { Config } from '../config/load-config.ts'
import { Console } from '../console/console.ts'
import type { RequestWatch } from '../console/request-recorder.ts'
import type { Lifecycle } from '../lifecycle.ts'
import type { Redactor } from '../logging/redaction.ts'

interface AdminPortOptions {
  readonly config: Config
  readonly clock: Clock
  readonly log: Logger
  readonly redactor: Redactor
  readonly userAgent: string
}

interface AdminViews {
  readonly keys: readonly BoundKey[]
  /** Those whose level changes together with that of `log`. */
  readonly logs: readonly Logger[]
  readonly metrics: ProxyMetrics
  readonly watch: RequestWatch
  readonly lifecycle: Pick<Lifecycle, 'phase'>
  readonly readiness: () => Readiness
}

/** @returns the server, which does not listen yet; `undefined`: there is to be none */
export const createAdminPort = (
  options: AdminPortOptions,
  views: AdminViews,
): FastifyInstance | undefined => {
  const { config, log } = options
  if (config.adminPort === 0) return undefined
  const { keys, logs, metrics, readiness } = views
  return createAdminServer({
    host: config.adminHost,
    readiness,
    expose: createExposition({
      metrics,
      tokens: () => keys.map((key) => key.state().token),
      credentials: () => keys.map((key) => key.credential()),
    }),
    log,
    logs,
    console: createConsole(options, views),
  })
}

const createConsole = (options: AdminPortOptions, views: AdminViews): Console => {
  const { config, clock, redactor, userAgent } = options
  const { keys, metrics, watch, lifecycle, readiness } = views
  return new Console({
    watch,
    clock,
    redact: (text) => redactor.redact(text),
    views: {
      program: userAgent,
      settings: () => effectiveSettings(config),
      keys: () => keys.map((key) => key.view()),
      readiness,
      phase: () => lifecycle.phase,
      inFlight: () => metrics.inFlight,
      answers: () => metrics.requests.entries(),
    },
  })
}
