/** Where the log and the traces of this process go. */
import type { Logger } from 'pino'
import { systemClock } from '../clock.ts'
import type { Config } from '../config/load-config.ts'
import { cloudFoundryFields } from '../logging/cloud-foundry-fields.ts'
import { BatchedDestination } from '../logging/log-destination.ts'
import { createLogger } from '../logging/logger.ts'
import { redactedLines } from '../logging/redacted-lines.ts'
import type { Redactor } from '../logging/redaction.ts'
import { tracingLog } from '../logging/tracing-log.ts'
import { loadTracing } from '../tracing/tracing.ts'
import { hasColor } from './color.ts'
import type { Edge } from './edge.ts'

/** Lines for a machine are written together; those for somebody who watches, at once. */
export const openLog = async (
  edge: Pick<Edge, 'stdout' | 'environment'>,
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

export const openTracing = ({ environment, version }: Edge, log: Logger) =>
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
