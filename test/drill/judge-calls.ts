/** What callers were told, held against the contract and against what the API saw. Pure. */
import { usableUntil } from './grants.ts'
import {
  groupBy,
  isWriting,
  type Arrival,
  type Call,
  type Grant,
  type RunRecord,
} from './record.ts'
import type { Violation, ViolationKind } from './violation.ts'

interface Entry {
  readonly status: number
  /** `Retry-After` in seconds: least and most. */
  readonly retryAfter?: readonly [number, number]
  /** The request may have taken effect. */
  readonly isUnsure?: true
}

/** The own answers that a drill can meet: status and `Retry-After` of each code. */
const CONTRACT: ReadonlyMap<string, Entry> = new Map<string, Entry>([
  ['token_unavailable', { status: 503, retryAfter: [1, 30] }],
  ['token_rate_limited', { status: 503, retryAfter: [1, 60] }],
  ['credential_rejected', { status: 502 }],
  ['token_endpoint_invalid', { status: 502 }],
  ['token_refreshed_retry', { status: 503, retryAfter: [1, 1] }],
  ['upstream_reset', { status: 502, isUnsure: true }],
])

const STATUS: Readonly<Record<string, number>> = { POST: 201, PATCH: 204, OPTIONS: 204 }

/** Between a moment here and the same moment in the proxy lie two event loops. */
const SLACK_MS = 150
/** The API of the drill takes far less; a machine that is busy alone makes no waiting either. */
const WAITING_MS = 1_000

/** From before the request to after its answer there was a token that had to be used. */
export const hadToken = (
  { startedAt, endedAt }: Pick<Call, 'startedAt' | 'endedAt'>,
  grants: readonly Grant[],
): boolean =>
  grants.some(
    (grant) => grant.grantedAt + SLACK_MS <= startedAt && endedAt <= usableUntil(grant) - SLACK_MS,
  )

/** The proxy says itself for which requests it waited for a token. */
const waitedFor = (log: string, { id }: Call): boolean =>
  log.split('\n').some((line) => line.includes(`"${id}"`) && line.includes('"token":"waited"'))

const retryAfterFault = ({ retryAfter }: Call, { retryAfter: range }: Entry): boolean => {
  if (range === undefined) return false
  const seconds = Number(retryAfter)
  return !(seconds >= range[0] && seconds <= range[1])
}

const isExcused = ({ startedAt, endedAt, code = '', method }: Call, run: RunRecord): boolean =>
  run.segments
    .filter((segment) => segment.startedAt <= endedAt && segment.endedAt >= startedAt)
    .some(
      ({ allows }) =>
        allows.all.includes(code) || (isWriting(method) && allows.writes.includes(code)),
    )

const contractFault = (call: Call, run: RunRecord): string | undefined => {
  const entry = CONTRACT.get(call.code ?? '')
  if (entry === undefined) return 'no code that this situation has'
  if (entry.status !== call.status) return `belongs to status ${entry.status}`
  if (retryAfterFault(call, entry)) return `with Retry-After ${call.retryAfter}`
  return isExcused(call, run) ? undefined : 'which no fault of this time excuses'
}

const tell = (kind: ViolationKind, call: Call, remark: string): Violation => {
  const { id, method, status = 'none', code = 'of the API', startedAt, endedAt } = call
  const took = Math.round(endedAt - startedAt)
  return {
    kind,
    at: endedAt,
    detail: `${method} ${id}: ${status} (${code}) in ${took} ms; ${remark}`,
  }
}

const judgeOwnAnswer = (call: Call, run: RunRecord, arrivals: readonly Arrival[]): Violation[] => {
  const fault = contractFault(call, run)
  const found = fault === undefined ? [] : [tell('outside the contract', call, fault)]
  if (call.code === 'token_refreshed_retry') {
    const isTrue = arrivals.some(({ token }) => token === 'revoked')
    return isTrue ? found : [...found, tell('outside the contract', call, 'the API sent no 401')]
  }
  if (call.code === 'upstream_reset' || !hadToken(call, run.grants)) return found
  const kind = isWriting(call.method) ? 'refused write' : 'failed read'
  return [...found, tell(kind, call, 'a usable token existed all the time')]
}

const judgePassedAnswer = (call: Call, run: RunRecord): Violation[] => {
  if (call.status !== (STATUS[call.method] ?? 200) || call.echoed !== call.id) {
    return [tell('wrong answer', call, `echoed ${call.echoed}`)]
  }
  const isQuick = call.endedAt - call.startedAt < WAITING_MS
  if (isQuick || isWriting(call.method) || !hadToken(call, run.grants)) return []
  return waitedFor(run.log, call)
    ? [tell('waited read', call, 'a usable token existed all the time')]
    : []
}

/** What its caller was told about a write, and whether it is true. */
const judgeWord = (call: Call, applied: number): Violation[] => {
  const { status, code } = call
  if (status === undefined) return []
  if (code === undefined) {
    return status < 300 && applied === 0 ? [tell('lost write', call, 'it never took effect')] : []
  }
  const isUnsure = CONTRACT.get(code)?.isUnsure === true
  return applied === 0 || isUnsure ? [] : [tell('refused but applied', call, 'it took effect')]
}

const judgeWrite = (call: Call, arrivals: readonly Arrival[]): Violation[] => {
  const applied = arrivals.filter((arrival) => arrival.applied).length
  const told = judgeWord(call, applied)
  if (applied > 1) return [...told, tell('duplicate write', call, `took effect ${applied} times`)]
  return arrivals.length > 1
    ? [...told, tell('write sent twice', call, `reached the API ${arrivals.length} times`)]
    : told
}

/** A connection that broke is no answer: what was sent again for it does not count. */
const judgeRead = (call: Call, arrivals: readonly Arrival[]): Violation[] => {
  const answered = arrivals.filter(({ wasReset }) => !wasReset).length
  return answered > 2 ? [tell('too many replays', call, `answered ${answered} times`)] : []
}

const judgeCall = (call: Call, run: RunRecord, arrivals: readonly Arrival[]): Violation[] => {
  const kept = isWriting(call.method) ? judgeWrite(call, arrivals) : judgeRead(call, arrivals)
  if (call.status === undefined) {
    return [...kept, tell('lost answer', call, call.problem ?? 'no reason known')]
  }
  return call.code === undefined
    ? [...kept, ...judgePassedAnswer(call, run)]
    : [...kept, ...judgeOwnAnswer(call, run, arrivals)]
}

export const judgeCalls = (run: RunRecord): Violation[] => {
  const byId = groupBy(run.arrivals, ({ id }) => id)
  return run.calls.flatMap((call) => judgeCall(call, run, byId.get(call.id) ?? []))
}
