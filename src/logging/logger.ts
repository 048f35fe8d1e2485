/** The logger: JSON lines with SAP's field names, or a readable view on a terminal. */
import { pino, type DestinationStream, type Logger } from 'pino'
import { timestamps } from './timestamp.ts'

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

const IN_MESSAGE = 'request_id,correlation_id,method,request,response_status'
const FOR_MACHINES = 'type,direction,written_ts,trace_id,span_id,remote_ip,x_forwarded_for'

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
