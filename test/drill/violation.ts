/** What must never happen, whatever the fault. */

export const VIOLATIONS = {
  'lost answer': 'a caller got no complete answer',
  'wrong answer': 'an answer that the API never gave to this request',
  'failed read': 'a read was refused while a usable token existed',
  'refused write': 'a write was refused for want of a token while a usable one existed',
  'waited read': 'a read waited although a usable token existed',
  'outside the contract': 'an own answer that is not in the table for this situation',
  'lost write': 'a caller was told that a write took effect, and it did not',
  'duplicate write': 'a write took effect twice',
  'write sent twice': 'a write reached the API twice',
  'refused but applied': 'a caller was told that nothing happened, and it did',
  'expired token': 'the API was shown a token after its end',
  'malformed token': 'the API was shown something that nobody granted',
  'revoked token': 'the API was shown a token again that it had rejected before',
  'too many replays': 'a read reached the API more often than once and one replay',
  'token requests at once': 'the token server was asked twice at the same time',
  'too many token requests': 'the token server was asked earlier than the gaps allow',
  'no recovery': 'the token server was well again, and the proxy did not ask it',
  leak: 'a secret or a token is in the log',
  'proxy died': 'the process did not live until it was told to stop',
} as const

export type ViolationKind = keyof typeof VIOLATIONS

export interface Violation {
  readonly kind: ViolationKind
  /** Monotonic ms, where it has a moment. */
  readonly at?: number
  /** Holds ids and numbers, never a token. */
  readonly detail: string
}
