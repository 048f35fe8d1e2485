/**
 * Every request from both ends: what its caller was told, held against what the API saw and against
 * the fault of that time. Forgets what is settled, so that a soak of hours needs no more memory.
 */
import { isWriting, outcomeOf, type Arrival, type Call } from './call.ts'
import type { Stretch } from './course.ts'

export const BREACHES = {
  'lost write': 'a caller was told that a write took effect, and it did not',
  'duplicate write': 'a write took effect twice',
  'write sent twice': 'a write reached the API twice',
  'refused but applied': 'a caller was told that nothing happened, and it did',
  'wrong answer': 'an answer that the API never gave to this request',
  'unexpected status': 'an outcome that no fault of its time excuses',
  'too many replays': 'a read was answered more often than once and one replay',
  'bad token': 'the API was shown a token that had expired or that nobody granted',
  'unknown request': 'the API got a request that nobody made, or long after it was over',
} as const

export type BreachKind = keyof typeof BREACHES

export interface Breach {
  readonly kind: BreachKind
  readonly at: number
  readonly detail: string
}

export interface Judging {
  readonly stretches: readonly Stretch[]
  /** From before the call to after its end there was a token that had to be used. */
  readonly hadToken: (call: Call) => boolean
}

/** A connection dies a moment after the fault that broke it. */
const SLACK_MS = 500
const UNSURE = new Set(['upstream_reset', 'upstream_timeout', 'incomplete'])
/** Without a body nothing is lost by sending them again (RFC 9110 §9.2.2). */
const REPEATABLE = new Set(['DELETE'])

const describe = ({ action, method, id, status, code, problem, startedAt, endedAt }: Call) =>
  `${action} ${method} ${id}: ${problem ?? `${status} ${code ?? ''}`.trim()} in ${Math.round(endedAt - startedAt)} ms`

const isExcused = (call: Call, outcome: string, { stretches, hadToken }: Judging): boolean => {
  if (outcome.startsWith('token_') && outcome !== 'token_refreshed_retry' && hadToken(call)) {
    return false
  }
  return stretches
    .filter((s) => s.startedAt <= call.endedAt && s.endedAt + SLACK_MS >= call.startedAt)
    .some(({ fault: { all = [], writes = [] } }) =>
      [...all, ...(isWriting(call) ? writes : [])].includes(outcome),
    )
}

/** What was done more often than it may be. */
const repetitions = ({ method }: Call, arrivals: readonly Arrival[]): BreachKind[] => {
  const applied = arrivals.filter((arrival) => arrival.applied).length
  const isRepeatable = REPEATABLE.has(method)
  // A first time whose answer was lost may have taken effect.
  const lost = isRepeatable ? arrivals.filter(({ wasReset }) => wasReset).length : 0
  return [
    ...(applied > 1 + lost ? (['duplicate write'] as const) : []),
    ...(arrivals.length > (isRepeatable ? 2 : 1) ? (['write sent twice'] as const) : []),
  ]
}

/** What its caller was told about a write, and whether it is true. */
const judgeWord = (call: Call, arrivals: readonly Arrival[]): BreachKind[] => {
  if (call.action === 'departure') return []
  const isApplied = arrivals.some(({ applied }) => applied)
  const outcome = outcomeOf(call)
  if (outcome === undefined) return isApplied ? [] : ['lost write']
  return isApplied && !UNSURE.has(outcome) ? ['refused but applied'] : []
}

const judgeRead = (arrivals: readonly Arrival[]): BreachKind[] =>
  arrivals.filter(({ wasReset }) => !wasReset).length > 2 ? ['too many replays'] : []

/** Pure. */
export const judgeCall = (
  call: Call,
  arrivals: readonly Arrival[],
  judging: Judging,
): readonly Breach[] => {
  const found = isWriting(call)
    ? [...repetitions(call, arrivals), ...judgeWord(call, arrivals)]
    : judgeRead(arrivals)
  if (arrivals.some(({ token }) => token === 'expired' || token === 'malformed')) {
    found.push('bad token')
  }
  const outcome = outcomeOf(call)
  if (outcome !== undefined && !isExcused(call, outcome, judging)) found.push('unexpected status')
  if (call.fault !== undefined) found.push('wrong answer')
  const detail = call.fault === undefined ? describe(call) : `${describe(call)}; ${call.fault}`
  return found.map((kind) => ({ kind, at: call.endedAt, detail }))
}

/** Longer than anything that is under way can take to arrive. */
const SETTLE_MS = 30_000
const MAX_KEPT = 100

export class Ledger {
  readonly breaches: Breach[] = []
  readonly counts = new Map<BreachKind, number>()
  /** By action and outcome. */
  readonly outcomes = new Map<string, number>()
  total = 0
  writes = 0
  applied = 0
  readonly #judging: Judging
  readonly #arrivals = new Map<string, Arrival[]>()
  /** In the order in which they ended. */
  #ended: Call[] = []

  constructor(judging: Judging) {
    this.#judging = judging
  }

  /** To be called before the request is sent. */
  begin(id: string): void {
    this.#arrivals.set(id, [])
  }

  arrive(arrival: Arrival): void {
    if (arrival.applied) this.applied += 1
    const known = this.#arrivals.get(arrival.id)
    if (known !== undefined) known.push(arrival)
    else this.#add([{ kind: 'unknown request', at: performance.now(), detail: arrival.id }])
  }

  end(call: Call): void {
    this.total += 1
    if (isWriting(call)) this.writes += 1
    const name = `${call.action}: ${outcomeOf(call) ?? 'ok'}`
    this.outcomes.set(name, (this.outcomes.get(name) ?? 0) + 1)
    this.#ended.push(call)
  }

  /** Judges what is over for long enough. @param now Infinity: everything */
  settle(now: number): void {
    const isOver = ({ endedAt }: Call): boolean => endedAt + SETTLE_MS <= now
    const first = this.#ended.findIndex((call) => !isOver(call))
    const over = this.#ended.slice(0, first < 0 ? undefined : first)
    this.#ended = first < 0 ? [] : this.#ended.slice(first)
    for (const call of over) {
      this.#add(judgeCall(call, this.#arrivals.get(call.id) ?? [], this.#judging))
      this.#arrivals.delete(call.id)
    }
  }

  #add(breaches: readonly Breach[]): void {
    for (const breach of breaches) {
      this.counts.set(breach.kind, (this.counts.get(breach.kind) ?? 0) + 1)
      if (this.breaches.length < MAX_KEPT) this.breaches.push(breach)
    }
  }
}
