/** Decides on every request before anything is spent on it. */
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import type { Failure } from '../errors.ts'
import type { Phase } from '../lifecycle.ts'
import type { AccessRules } from '../policy/access-policy.ts'
import { resolveTarget } from '../policy/request-target.ts'
import { judgeHead } from './guarded-access.ts'
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
  /** Says why a caller is refused, whatever it wants. */
  readonly guardCaller: (headers: IncomingHttpHeaders) => Failure | undefined
  /** `undefined`: everything is allowed. */
  readonly access: AccessRules | undefined
}

/**
 * @returns a function that lets a request in, notes its mount and its path on the API in the journal,
 *   and returns `undefined`; or says why it is not let in
 */
export const createAdmission = (options: AdmissionOptions) => {
  const { mounts, lifecycle, maxInFlight, maxBody, guardCaller, access } = options
  const overloaded: Failure = { code: 'overloaded', detail: `SKP_MAX_IN_FLIGHT=${maxInFlight}.` }
  let inFlight = 0
  const leave = (): void => {
    inFlight -= 1
  }
  /** What has nothing to do with where the request goes. */
  const refuse = ({ headers }: IncomingMessage): Failure | undefined => {
    const refused = guardCaller(headers)
    if (refused !== undefined) return refused
    if (lifecycle.phase === 'closing') return { code: 'stopping' }
    return inFlight >= maxInFlight ? overloaded : undefined
  }
  return (
    request: IncomingMessage,
    response: ServerResponse,
    journal: Journal,
  ): Failure | undefined => {
    const refused = refuse(request)
    if (refused !== undefined) return refused
    const mount = mountFor(mounts(), request.url as string)
    const target = resolveTarget(targetBelow(mount, request.url as string), mount?.basePath ?? '')
    if (!target.ok) return { code: 'bad_request', detail: target.reason }
    if (mount === undefined) return { code: 'not_found' }
    if (Number(request.headers['content-length']) > maxBody) return { code: 'body_too_large' }
    if (access !== undefined) {
      const denied = judgeHead(access, request, mount, target.path, journal)
      if (denied !== undefined) return denied
    }
    inFlight += 1
    response.on('close', leave)
    journal.mount = mount
    journal.path = target.path
    return undefined
  }
}
