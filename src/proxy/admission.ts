/** Decides on every request before anything is spent on it. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Failure } from '../errors.ts'
import type { Phase } from '../lifecycle.ts'
import { resolveTarget } from '../policy/request-target.ts'
import type { Journal } from './journal.ts'
import { mountFor, targetBelow, type Mount } from './mount.ts'

export interface AdmissionOptions {
  /** What is served now; a new service key may change it. */
  readonly mounts: () => readonly Mount[]
  readonly lifecycle: { readonly phase: Phase }
  /** Requests at the same time at most. */
  readonly maxInFlight: number
  /** In bytes; Infinity: no limit. */
  readonly maxBody: number
}

/**
 * @returns a function that lets a request in, notes its mount and its path on the API in the journal,
 *   and returns `undefined`; or says why it is not let in
 */
export const createAdmission = ({ mounts, lifecycle, maxInFlight, maxBody }: AdmissionOptions) => {
  const overloaded: Failure = { code: 'overloaded', detail: `SKP_MAX_IN_FLIGHT=${maxInFlight}.` }
  let inFlight = 0
  const leave = (): void => {
    inFlight -= 1
  }
  return (
    request: IncomingMessage,
    response: ServerResponse,
    journal: Journal,
  ): Failure | undefined => {
    if (lifecycle.phase === 'closing') return { code: 'stopping' }
    if (inFlight >= maxInFlight) return overloaded
    const mount = mountFor(mounts(), request.url as string)
    const target = resolveTarget(targetBelow(mount, request.url as string), mount?.basePath ?? '')
    if (!target.ok) return { code: 'bad_request', detail: target.reason }
    if (mount === undefined) return { code: 'not_found' }
    if (Number(request.headers['content-length']) > maxBody) return { code: 'body_too_large' }
    inFlight += 1
    response.once('close', leave)
    journal.mount = mount
    journal.path = target.path
    return undefined
  }
}
