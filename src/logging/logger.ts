/** The logger: JSON lines with SAP's field names, or a readable view on a terminal. */
import { pino, stdTimeFunctions, type DestinationStream, type Logger } from 'pino'
import type { Redactor } from './redaction.ts'

export interface LoggerOptions {
  readonly level: string
  readonly format: 'json' | 'pretty'
  readonly destination: DestinationStream
  readonly redactor: Redactor
}

/** Loaded only where it is used: the terminal view costs start-up time. */
const prettyStream = async (destination: DestinationStream): Promise<DestinationStream> => {
  const { default: pretty } = await import('pino-pretty')
  return pretty({
    destination: destination as NodeJS.WritableStream & DestinationStream,
    timestampKey: 'written_at',
    translateTime: 'SYS:HH:MM:ss.l',
    // The message of an access line says these already.
    ignore: 'type,direction,request_id,correlation_id,method,request,response_status',
    singleLine: true,
    sync: true,
  })
}

export const createLogger = async ({
  level,
  format,
  destination,
  redactor,
}: LoggerOptions): Promise<Logger> =>
  pino(
    {
      level,
      base: null,
      // Access lines overwrite it with their own type.
      mixin: () => ({ type: 'log' }),
      timestamp: () => stdTimeFunctions.isoTime().replace('"time"', '"written_at"'),
      formatters: { level: (label) => ({ level: label }) },
      hooks: { streamWrite: (line) => redactor.redact(line) },
    },
    format === 'pretty' ? await prettyStream(destination) : destination,
  )
