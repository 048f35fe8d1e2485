/** The record of a drill → everything that must never happen and did. Pure. */
import {
  CALL_BREACHES,
  contentFault,
  deliveryBreaches,
  describe,
  hadToken,
  isExcused,
} from '../fixtures/call-judge.ts'
import type { Call } from '../fixtures/caller.ts'
import type { Stretch } from '../fixtures/fault-course.ts'
import { isWriting, statusFor, type Arrival } from '../fixtures/scripted-api.ts'
import { usableUntil } from '../fixtures/scripted-token-server.ts'
import { judgeTokens, TOKEN_BREACHES, type TokenRecord } from './judge-tokens.ts'

/** What a drill writes down. */
export interface RunRecord extends TokenRecord {
  readonly segments: readonly Stretch[]
  /** Names of phases after which the proxy got no token in time. */
  readonly stuck: readonly string[]
  /** All that the proxy wrote. */
  readonly log: string
  /** What must not be in it. */
  readonly secrets: readonly string[]
  /** Why the proxy did not live until it was told to stop, or did not stop well. */
  readonly death: string | undefined
}

/** What must never happen, whatever the fault. */
export const VIOLATIONS = {
  ...CALL_BREACHES,
  ...TOKEN_BREACHES,
  'lost answer': 'a caller got no complete answer',
  'failed read': 'a read was refused while a usable token existed',
  'refused write': 'a write was refused for want of a token while a usable one existed',
  'waited read': 'a read waited although a usable token existed',
  'outside the contract': 'an own answer that is not in the table for this situation',
  'no recovery': 'the token server was well again, and the proxy did not ask it',
  leak: 'a secret or a token is in the log',
  'proxy died': 'the process did not live until it was told to stop',
} as const

export type ViolationKind = keyof typeof VIOLATIONS

export interface Violation {
  readonly kind: ViolationKind
  /** Where it has a moment. */
  readonly at?: number
  /** Holds ids and numbers, never a token. */
  readonly detail: string
}

export const judge = (run: RunRecord): readonly Violation[] => {
  const byId = groupBy(run.arrivals, ({ id }) => id)
  return [
    ...run.calls.flatMap((call) => judgeCall(call, run, byId.get(call.id) ?? [])),
    ...judgeTokens(run),
    ...judgeLog(run),
    ...judgeProcess(run),
  ]
}

/** `Map.groupBy`, which Node 20 does not have. */
export const groupBy = <K, T>(items: readonly T[], keyOf: (item: T) => K): Map<K, T[]> => {
  const groups = new Map<K, T[]>()
  for (const item of items) {
    const key = keyOf(item)
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [item])
    else group.push(item)
  }
  return groups
}

interface Entry {
  readonly status: number
  /** `Retry-After` in seconds: least and most. */
  readonly retryAfter?: readonly [number, number]
}

/** The own answers that a drill can meet: status and `Retry-After` of each code. */
const CONTRACT: ReadonlyMap<string, Entry> = new Map<string, Entry>([
  ['token_unavailable', { status: 503, retryAfter: [1, 30] }],
  ['token_rate_limited', { status: 503, retryAfter: [1, 60] }],
  ['credential_rejected', { status: 502 }],
  ['token_endpoint_invalid', { status: 502 }],
  ['token_refreshed_retry', { status: 503, retryAfter: [1, 1] }],
  ['upstream_reset', { status: 502 }],
])

/** The API of the drill takes far less; a machine that is busy alone makes no waiting either. */
const WAITING_MS = 1_000

/** The proxy says itself for which requests it waited for a token. */
const waitedFor = (log: string, { id }: Call): boolean =>
  log.split('\n').some((line) => line.includes(`"${id}"`) && line.includes('"token":"waited"'))

const retryAfterFault = ({ retryAfter }: Call, { retryAfter: range }: Entry): boolean => {
  if (range === undefined) return false
  const seconds = Number(retryAfter)
  return !(seconds >= range[0] && seconds <= range[1])
}

const contractFault = (call: Call, code: string, run: RunRecord): string | undefined => {
  const entry = CONTRACT.get(code)
  if (entry === undefined) return 'no code that this situation has'
  if (entry.status !== call.status) return `belongs to status ${entry.status}`
  if (retryAfterFault(call, entry)) return `with Retry-After ${call.retryAfter}`
  return isExcused(call, code, run.segments) ? undefined : 'which no fault of this time excuses'
}

const tell = (kind: ViolationKind, call: Call, remark?: string): Violation => ({
  kind,
  at: call.endedAt,
  detail: describe(call, remark),
})

const judgeOwnAnswer = (
  call: Call,
  code: string,
  run: RunRecord,
  arrivals: readonly Arrival[],
): Violation[] => {
  const fault = contractFault(call, code, run)
  const found = fault === undefined ? [] : [tell('outside the contract', call, fault)]
  if (code === 'token_refreshed_retry') {
    const isTrue = arrivals.some(({ token }) => token === 'revoked')
    return isTrue ? found : [...found, tell('outside the contract', call, 'the API sent no 401')]
  }
  if (code === 'upstream_reset' || !hadToken(call, run.grants)) return found
  const kind = isWriting(call.method) ? 'refused write' : 'failed read'
  return [...found, tell(kind, call, 'a usable token existed all the time')]
}

const judgePassedAnswer = (call: Call, run: RunRecord): Violation[] => {
  const fault = contentFault(call)
  if (call.status !== statusFor(call.method) || fault !== undefined) {
    return [tell('wrong answer', call, fault)]
  }
  const isQuick = call.endedAt - call.startedAt < WAITING_MS
  if (isQuick || isWriting(call.method) || !hadToken(call, run.grants, usableUntil)) return []
  return waitedFor(run.log, call)
    ? [tell('waited read', call, 'a usable token existed all the time')]
    : []
}

const judgeCall = (call: Call, run: RunRecord, arrivals: readonly Arrival[]): Violation[] => {
  const breaches = deliveryBreaches(call, arrivals)
  // What took effect twice has also been sent twice: once is enough.
  const isDoubled = breaches.includes('duplicate write')
  const kept = breaches
    .filter((kind) => !isDoubled || kind !== 'write sent twice')
    .map((kind) => tell(kind, call, `reached the API ${arrivals.length} times`))
  if (call.status === undefined) return [...kept, tell('lost answer', call)]
  return call.code === undefined
    ? [...kept, ...judgePassedAnswer(call, run)]
    : [...kept, ...judgeOwnAnswer(call, call.code, run, arrivals)]
}

const judgeLog = ({ log, secrets }: RunRecord): Violation[] => {
  const lines = log.split('\n')
  return secrets
    .map((secret) => lines.findIndex((line) => line.includes(secret)))
    .filter((index) => index >= 0)
    .map((index) => ({ kind: 'leak', detail: `in line ${index + 1} of the log` }))
}

const judgeProcess = ({ death, stuck }: RunRecord): Violation[] => [
  ...(death === undefined ? [] : [{ kind: 'proxy died', detail: `it ${death}` } as const]),
  ...stuck.map((name) => ({ kind: 'no recovery', detail: `after "${name}"` }) as const),
]
