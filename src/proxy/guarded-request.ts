/**
 * SKP_ACCESS and SKP_ALLOW on a request's way: its head is judged when it is admitted, a `$batch` once
 * its whole body is there, which is held for that, within limits.
 */
import type { IncomingMessage } from 'node:http'
import type { Failure } from '../errors.ts'
import { readBatch } from '../odata/batch-reader.ts'
import { type AccessRules, judgeRequest, rulesInForce } from '../policy/access-policy.ts'
import { judgeBatch } from '../policy/batch-policy.ts'
import type { CallerPace } from './caller-pace.ts'
import { sendFailure } from './failure-response.ts'
import { type RequestBody, withBody, withWholeBody } from './request-body.ts'
import type { Call, RequestContext } from './request-context.ts'
import type { Route } from './route.ts'
import type { TimeLimits } from './upstream-errors.ts'

interface BodyOptions {
  /** `undefined`: everything is allowed, and nothing held because of it. */
  readonly access: AccessRules | undefined
  /** In bytes; Infinity: no limit. */
  readonly maxBody: number
  readonly limits: Pick<TimeLimits, 'idleTimeout'>
  readonly pace: CallerPace
}

type ReadBody = (call: Call, send: (body: RequestBody) => void) => void

/** @returns a function that hands bodies over as `withBody` does, but those of a `$batch` whole */
export const createBodyReader = (options: BodyOptions): ReadBody => {
  const { maxBody, pace } = options
  const { idleTimeout } = options.limits
  const readPlain: ReadBody = (call, send) => {
    const watchPace: WatchPace = (onSlow) => pace.watch(call, onSlow)
    withBody(call.request, { maxBody, idleTimeout, watchPace }, send, (failure) =>
      sendFailure(call, failure),
    )
  }
  if (options.access === undefined) return readPlain
  const readBatch = createBatchReader(options.access, options)
  return (call, send) => {
    if (call.context.isGuardedBatch === true) readBatch(call, send)
    else readPlain(call, send)
  }
}

type WatchPace = (onSlow: (failure: Failure) => void) => () => void

type Field = readonly [name: string, value: string]

export const fieldsOf = ({ rawHeaders }: IncomingMessage): readonly Field[] =>
  rawHeaders.flatMap((name, i): Field[] =>
    i % 2 === 0 ? [[name, rawHeaders[i + 1] as string]] : [],
  )

/**
 * Judges the head of a request, and notes in the context if its body has to be judged, too.
 *
 * @param path on the API, with query
 */
export const judgeHead = (
  access: AccessRules,
  request: IncomingMessage,
  { basePath }: Route,
  path: string,
  context: RequestContext,
): Failure | undefined => {
  const rest = path.slice(basePath.length)
  const verdict = judgeRequest(access, {
    method: request.method as string,
    headers: fieldsOf(request),
    path: rest.startsWith('/') ? rest : `/${rest}`,
  })
  if (typeof verdict !== 'string') return verdict
  context.isGuardedBatch = verdict === 'batch'
  return undefined
}

/** Judges the parts of a `$batch`. */
export const judgeBody = (
  access: AccessRules,
  request: IncomingMessage,
  route: Route,
  body: Buffer,
): Failure | undefined => {
  const valuesOf = (wanted: string): readonly string[] =>
    fieldsOf(request).flatMap(([name, value]) => (name.toLowerCase() === wanted ? [value] : []))
  const [type, ...otherTypes] = valuesOf('content-type')
  const isPlain = otherTypes.length + valuesOf('content-encoding').length === 0
  const content =
    type !== undefined && isPlain
      ? readBatch(type, body)
      : ({ ok: false, reason: 'It has a Content-Encoding, or not just one Content-Type.' } as const)
  return judgeBatch(access, route, content)
}

/** @returns a function that hands over the whole body, or answers why not */
const createBatchReader = (
  access: AccessRules,
  { maxBody, limits, pace }: BodyOptions,
): ReadBody => {
  const limit = Math.min(maxBody, MAX_BATCH_BYTES)
  const detail = `By ${rulesInForce(access)}, a $batch has at most ${limit / 1024} KB.`
  const tooLarge: Failure = { code: 'body_too_large', detail }
  let held = 0
  /** Whoever brings the next bytes would let the slow ones keep all the room. */
  const refuseOldest = (): void => {
    const [refuse] = arriving
    refuse?.({ code: 'overloaded' })
  }
  /** Batches on their way, the oldest first: how each of them is refused. */
  const arriving = new Set<(failure: Failure) => void>()
  return (call, send) => {
    const { request, response } = call
    if (Number(request.headers['content-length']) > limit) return sendFailure(call, tooLarge)
    let size = 0
    const release = (): void => {
      arriving.delete(refuse)
      held -= size
      size = 0
    }
    const refuse = (failure: Failure): void => {
      stop()
      release()
      sendFailure(call, failure)
    }
    const onProgress = (received: number): void => {
      held += received - size
      size = received
      if (size > limit) refuse(tooLarge)
      else if (held > MAX_ALL_BYTES) refuseOldest()
    }
    const whole = (body: Buffer): void => {
      arriving.delete(refuse)
      send(body)
    }
    const { idleTimeout } = limits
    const watchPace: WatchPace = (onSlow) => pace.watch(call, onSlow)
    arriving.add(refuse)
    const body = { idleTimeout, watchPace, send: whole, stalled: refuse, onProgress }
    const stop = withWholeBody(request, body)
    response.once('close', release)
  }
}

/** What one `$batch` may cost, and all together. */
const MAX_BATCH_BYTES = 1024 * 1024

const MAX_ALL_BYTES = 32 * MAX_BATCH_BYTES
