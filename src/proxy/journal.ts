/** What is noted about one request on its way, for the access log. */
import type { IncomingMessage } from 'node:http'
import type { ErrorCode } from '../errors.ts'
import type { Mount } from './mount.ts'
import { requestIds, type RequestIds } from './request-ids.ts'

export interface Journal {
  readonly ids: RequestIds
  /** Monotonic ms at which the request head was complete. */
  readonly startedAt: number
  /** Where the request goes, once it is let in. */
  mount?: Mount
  /** Path and query on the API, once the request target is accepted; empty before. */
  path: string
  /** Was a token at hand, was it waited for, or sent again with a new one; unset without a token. */
  token?: 'cached' | 'waited' | 'replayed'
  /** Links that were replaced in the body of the answer; unset where none were looked for. */
  links?: number
  /** Code of an answer that the proxy made itself. */
  failure?: ErrorCode
}

export const openJournal = (request: IncomingMessage, startedAt: number): Journal => ({
  ids: requestIds(request.headers),
  startedAt,
  path: '',
})
