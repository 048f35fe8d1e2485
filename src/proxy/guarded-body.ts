/** Bodies under SKP_ACCESS or SKP_ALLOW: those of a `$batch` are held whole, within limits. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Failure } from '../errors.ts'
import { rulesInForce, type AccessRules } from '../policy/access-policy.ts'
import { callerTimeout } from './caller-idle.ts'
import { sendFailure } from './failure-answer.ts'
import type { Journal } from './journal.ts'
import { withBody, withWholeBody, type RequestBody } from './request-body.ts'
import type { TimeLimits } from './upstream-errors.ts'

export interface BodyOptions {
  /** `undefined`: everything is allowed, and nothing held because of it. */
  readonly access: AccessRules | undefined
  /** In bytes; Infinity: no limit. */
  readonly maxBody: number
  readonly limits: Pick<TimeLimits, 'idleTimeout'>
}

/** What one `$batch` may cost, and all together. */
const MAX_BATCH_BYTES = 1024 * 1024
const MAX_ALL_BYTES = 32 * MAX_BATCH_BYTES

interface Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly journal: Journal
}

type ReadBody = (exchange: Exchange, send: (body: RequestBody) => void) => void

/** @returns a function that hands over the whole body, or answers why not */
const createBatchReader = (access: AccessRules, { maxBody, limits }: BodyOptions): ReadBody => {
  const limit = Math.min(maxBody, MAX_BATCH_BYTES)
  const detail = `By ${rulesInForce(access)}, a $batch has at most ${limit / 1024} KB.`
  const tooLarge: Failure = { code: 'body_too_large', detail }
  let held = 0
  return ({ request, response, journal }, send) => {
    if (Number(request.headers['content-length']) > limit) {
      return sendFailure(request, response, tooLarge, journal)
    }
    let size = 0
    const refuse = (failure: Failure): void => {
      stop()
      sendFailure(request, response, failure, journal)
    }
    const onProgress = (received: number): void => {
      held += received - size
      size = received
      if (size > limit) refuse(tooLarge)
      else if (held > MAX_ALL_BYTES) refuse({ code: 'overloaded' })
    }
    const { idleTimeout } = limits
    const stalled = (): void => sendFailure(request, response, callerTimeout(idleTimeout), journal)
    const stop = withWholeBody(request, { idleTimeout, send, stalled, onProgress })
    response.once('close', () => {
      held -= size
    })
  }
}

/** @returns a function that hands bodies over as `withBody` does, but those of a `$batch` whole */
export const createBodyReader = (options: BodyOptions): ReadBody => {
  const { maxBody } = options
  const { idleTimeout } = options.limits
  const readPlain: ReadBody = ({ request, response, journal }, send) =>
    withBody(request, { maxBody, idleTimeout }, send, () =>
      sendFailure(request, response, callerTimeout(idleTimeout), journal),
    )
  if (options.access === undefined) return readPlain
  const readBatch = createBatchReader(options.access, options)
  return (exchange, send) => {
    if (exchange.journal.isGuardedBatch === true) readBatch(exchange, send)
    else readPlain(exchange, send)
  }
}
