/** The logger: JSON lines with SAP's field names, or a readable view on a terminal. */
import { type DestinationStream, type Level, type Logger, pino } from 'pino'

export interface LoggerOptions {
  readonly level: string
  readonly format: 'json' | 'pretty'
  /** Of `pretty`. Default: none. */
  readonly color?: boolean
  /** Has to cut out secrets. */
  readonly destination: DestinationStream
  /** In every line of JSON; of no interest to somebody in front of a terminal. */
  readonly fields?: Readonly<Record<string, string>>
}

export const createLogger = async ({
  level,
  format,
  color = false,
  destination,
  fields = {},
}: LoggerOptions): Promise<Logger> =>
  pino(
    {
      level,
      base: format === 'json' ? { ...fields } : null,
      // Access lines overwrite it with their own type.
      mixin: () => ({ type: 'log' }),
      timestamp: timestamps(Date.now),
      formatters: { level: (label) => ({ level: label }) },
    },
    format === 'pretty' ? await prettyStream(destination, color) : destination,
  )

/**
 * For lines whose JSON is at hand already. pino walks through an object for each line, which was a fifth
 * of what a request costs; here a line is put together from what pino keeps ready for the same logger:
 * level, time, fields of all lines, destination. Its symbols are there for such uses.
 *
 * @returns a function that writes a line, whatever the level of the logger
 * @param log for the life of the function
 */
export const lineWriter = (log: Logger) => {
  const all = log as unknown as Readonly<Record<symbol, unknown>>
  const { lsCacheSym, timeSym, chindingsSym, streamSym } = pino.symbols
  /** The beginning of a line by number of the level. */
  const levels = all[lsCacheSym] as Readonly<Record<number, string>>
  const time = all[timeSym] as () => string
  const bindings = all[chindingsSym] as string
  const stream = all[streamSym] as DestinationStream
  const { values } = log.levels
  /** @param fields JSON that begins with a comma */
  return (level: Level, fields: string): void => {
    stream.write(`${levels[values[level] as number]}${time()}${bindings}${fields}}\n`)
  }
}

/**
 * When a line was written, as SAP's logging services want it: readable, and for putting in order.
 * `written_ts` counts nanoseconds. No clock here is that fine, so what is below the millisecond only
 * keeps the order of lines within one.
 *
 * @param wall ms since 1970
 * @returns a function that returns the next pair of fields, as a piece of JSON that begins with a comma
 */
export const timestamps = (wall: () => number): (() => string) => {
  let last = -1
  let sequence = 0
  return () => {
    const now = wall()
    sequence = now === last ? sequence + 1 : 0
    last = now
    const nanoseconds = String(sequence).padStart(6, '0')
    return `,"written_at":"${new Date(now).toISOString()}","written_ts":${now}${nanoseconds}`
  }
}

/**
 * Fields by which SAP's logging services tell apps and their instances apart.
 *
 * @param environment with `VCAP_APPLICATION` and `CF_INSTANCE_INDEX`, on Cloud Foundry
 * @returns nothing elsewhere
 */
export const cloudFoundryFields = (
  environment: Readonly<Record<string, string | undefined>>,
): Readonly<Record<string, string>> => {
  const application = parse(environment['VCAP_APPLICATION'] ?? '')
  if (typeof application !== 'object' || application === null) return {}
  const values = application as Readonly<Record<string, unknown>>
  const fields: Record<string, string> = { component_type: 'application' }
  for (const [name, source] of Object.entries(FIELDS)) {
    const value = values[source]
    if (typeof value === 'string') fields[name] = value
  }
  const index = environment['CF_INSTANCE_INDEX'] ?? values['instance_index']
  if (typeof index === 'string' || typeof index === 'number') {
    fields['component_instance'] = String(index)
    fields['source_instance'] = String(index)
  }
  return fields
}

/** Loaded only where it is used: the terminal view costs start-up time. */
const prettyStream = async (
  destination: DestinationStream,
  colorize: boolean,
): Promise<DestinationStream> => {
  const { default: pretty } = await import('pino-pretty')
  return pretty({
    destination: destination as NodeJS.WritableStream & DestinationStream,
    colorize,
    timestampKey: 'written_at',
    translateTime: 'SYS:HH:MM:ss.l',
    ignore: `${FOR_MACHINES},${IN_MESSAGE}`,
    singleLine: true,
    sync: true,
  })
}

const FOR_MACHINES = 'type,direction,written_ts,trace_id,span_id,remote_ip,x_forwarded_for'

const IN_MESSAGE = 'request_id,correlation_id,method,request,response_status'

/** Name of a field → that in `VCAP_APPLICATION`. */
const FIELDS: Readonly<Record<string, string>> = {
  component_id: 'application_id',
  component_name: 'application_name',
  space_id: 'space_id',
  space_name: 'space_name',
  organization_id: 'organization_id',
  organization_name: 'organization_name',
}

const parse = (json: string): unknown => {
  try {
    return JSON.parse(json)
  } catch {
    return undefined
  }
}
