/** Says in the log that spans are lost: the first time, then once a minute. */
import type { Logger } from 'pino'
import { elapsed, type Clock, type Instant } from '../clock.ts'

const REPEAT_MS = 60_000

/** @returns an observer of what went wrong */
export const tracingLog = (log: Logger, clock: Clock): ((reason: string) => void) => {
  let logged: Instant | undefined
  return (reason) => {
    const now = clock.now()
    if (logged !== undefined && elapsed(logged, now) < REPEAT_MS) return
    logged = now
    log.warn({ reason }, 'traces are lost')
  }
}
