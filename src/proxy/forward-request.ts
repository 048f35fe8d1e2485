/** What one exchange with the API is made of. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Phase } from '../lifecycle.ts'
import type { AccessToken } from '../token/access-token.ts'
import type { ApiLimits } from './api-limits.ts'
import type { Journal } from './journal.ts'
import type { Mount } from './mount.ts'
import type { AnswerOpener } from './open-answer.ts'
import type { RequestBody } from './request-body.ts'
import type { RequestHeaders } from './request-headers.ts'
import type { Turn } from './turn.ts'
import type { UnauthorizedOptions } from './unauthorized-replay.ts'
import type { TimeLimits } from './upstream-errors.ts'

export interface ForwardOptions extends UnauthorizedOptions {
  readonly limits: TimeLimits
  readonly apiLimits: ApiLimits
  readonly lifecycle: { readonly phase: Phase }
  readonly openAnswer: AnswerOpener
  readonly turn: Turn
  /** Told of every transport failure, before or in the middle of an answer. */
  readonly onTransportError: (error: unknown, journal: Journal) => void
}

export interface ForwardRequest {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly journal: Journal
  readonly mount: Mount
  readonly body: RequestBody
  readonly token: AccessToken
  /** Without the token. */
  readonly headers: RequestHeaders
  /** Sent again on a new connection, after the first one died. */
  readonly retried?: boolean
  /** Sent again with a new token, after a 401. */
  readonly replayed?: boolean
}
