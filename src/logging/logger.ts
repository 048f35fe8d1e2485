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
 * @returns a function that writes a line if its level is enabled
 * @param log for the life of the function
 */
export const lineWriter = (log: Logger) => {
  const { levels, time, bindings, stream } = internalsOf(log)
  const { values } = log.levels
  /** @param fields JSON that begins with a comma */
  return (level: Level, fields: string): void => {
    stream.write(`${levels[values[level] as number]}${time()}${bindings}${fields}}\n`)
  }
}

/* FOLDED: When a line was written, as SAP's logging services want it: readable, and for putting in order. */

/**
 * `written_ts` counts nanoseconds. No clock here is that fine, so what is below the millisecond only
 * keeps the order of lines within one.
 *
 * @param wall ms since 1970
 * @returns a function that returns the next pair of fields, as a piece of JSON that begins with a comma
 */
export const timestamps = (wall: () => number): (() => string) => {
  let last = -1
  let sequence = 0
  let text = ''
  /** As it is written up to the second; the milliseconds are put in behind it. */
  let second = -1
  let upToSecond = ''
  return () => {
    const now = wall()
    if (now === last) sequence += 1
    else {
      const milliseconds = now % 1000
      if (now - milliseconds !== second) {
        second = now - milliseconds
        upToSecond = new Date(second).toISOString().slice(0, -4)
      }
      last = now
      sequence = 0
      text = `,"written_at":"${upToSecond}${String(1000 + milliseconds).slice(1)}Z","written_ts":${now}`
    }
    return text + String(1e6 + sequence).slice(1)
  }
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

const internalsOf = (log: Logger): Internals => {
  const all = log as unknown as Readonly<Record<symbol, unknown>>
  const { lsCacheSym, timeSym, chindingsSym, streamSym } = pino.symbols
  return {
    levels: all[lsCacheSym] as Internals['levels'],
    time: all[timeSym] as Internals['time'],
    bindings: all[chindingsSym] as string,
    stream: all[streamSym] as Internals['stream'],
  }
}

/* FOLDED:
 * Lines whose JSON is at hand already. pino walks through an object for each line, which was a fifth
 * of what a request costs; here a line is put together from what pino keeps ready for the same logger:
 * level, time, fields of all lines, destination. Its symbols are there for such uses.
 */

interface Internals {
  /** The beginning of a line by number of the level. */
  readonly levels: Readonly<Record<number, string>>
  readonly time: () => string
  readonly bindings: string
  readonly stream: { write(line: string): void }
}
