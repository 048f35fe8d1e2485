/**
 * Every request from both ends: what its caller was told, held against what the API saw and against
 * the fault of that time. Forgets what is settled, so that a soak of hours needs no more memory.
 */
import {
  CALL_BREACHES,
  contentFault,
  deliveryBreaches,
  describe,
  isExcused,
  outcomeOf,
} from '../fixtures/call-judge.ts'
import type { Call } from '../fixtures/caller.ts'
import type { Stretch } from '../fixtures/fault-course.ts'
import { isWriting, type Arrival } from '../fixtures/scripted-api.ts'

export const BREACHES = {
  ...CALL_BREACHES,
  'unexpected status': 'an outcome that no fault of its time excuses',
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
  readonly stretches: () => readonly Stretch[]
  /** From before the call to after its end there was a token that had to be used. */
  readonly hadToken: (call: Call) => boolean
}

/** Pure. */
export const judgeCall = (
  call: Call,
  arrivals: readonly Arrival[],
  { stretches, hadToken }: Judging,
): readonly Breach[] => {
  const found: BreachKind[] = deliveryBreaches(call, arrivals)
  if (arrivals.some(({ token }) => token === 'expired' || token === 'malformed')) {
    found.push('bad token')
  }
  const outcome = outcomeOf(call)
  if (outcome !== undefined) {
    const isWant = outcome.startsWith('token_') && outcome !== 'token_refreshed_retry'
    const isNeedless = isWant && hadToken(call)
    if (isNeedless || !isExcused(call, outcome, stretches(), SLACK_MS)) {
      found.push('unexpected status')
    }
  }
  const fault = contentFault(call)
  if (fault !== undefined) found.push('wrong answer')
  return found.map((kind) => ({ kind, at: call.endedAt, detail: describe(call, fault) }))
}

/** A connection dies a moment after the fault that broke it. */
const SLACK_MS = 500
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
  readonly #ended: Call[] = []

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
    if (isWriting(call.method)) this.writes += 1
    const name = `${call.action}: ${outcomeOf(call) ?? 'ok'}`
    this.outcomes.set(name, (this.outcomes.get(name) ?? 0) + 1)
    this.#ended.push(call)
  }

  /** Judges what is over for long enough. @param now Infinity: everything */
  settle(now: number): void {
    const first = this.#ended.findIndex(({ endedAt }) => endedAt + SETTLE_MS > now)
    const over = this.#ended.splice(0, first < 0 ? Infinity : first)
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
