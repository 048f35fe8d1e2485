/** What the console shows as it is at the moment, from read-only views. No secret is among it. */
import type { CredentialState } from '../admin/exposition.ts'
import type { KeyState, Readiness } from '../admin/readiness.ts'
import type { TallyEntry } from '../admin/counters.ts'
import type { Phase } from '../lifecycle.ts'
import type { TokenTimeline } from '../token/token-source.ts'
import type { SeenProblem } from './request-recorder.ts'

/** What one service key is and where it leads. */
export interface KeyView {
  /** The place and binding in words. */
  readonly origin: string
  /** Whether a new one is taken over without a restart. */
  readonly watched: boolean
  readonly tokenHost: string
  readonly routes: readonly { readonly prefix: string; readonly baseUrl: string }[]
  readonly state: KeyState
  readonly credential: CredentialState
  readonly timeline: TokenTimeline
}

export interface ConsoleViews {
  /** Name and version. */
  readonly program: string
  /** As they are in effect. */
  readonly settings: () => readonly {
    readonly name: string
    readonly value: string
    readonly isDefault: boolean
  }[]
  readonly keys: () => readonly KeyView[]
  readonly readiness: () => Readiness
  readonly phase: () => Phase
  readonly inFlight: () => number
  readonly answers: () => readonly TallyEntry[]
}

export const statusOf = (views: ConsoleViews, problems: readonly SeenProblem[]) => ({
  phase: views.phase(),
  readiness: views.readiness(),
  keys: views.keys().map(keyStatus),
  answers: totals(views.answers()),
  problems,
})

const keyStatus = ({ state: { name, token, refused }, ...key }: KeyView) => {
  const { freshness, idle, waiters, lastOutcome } = token
  const reason = 'reason' in lastOutcome ? lastOutcome.reason : null
  return {
    ...key,
    name,
    refused: refused ?? null,
    token: { freshness, idle, waiters, outcome: lastOutcome.kind, reason },
  }
}

const totals = (entries: readonly TallyEntry[]) => {
  const counts = new Map<string, { status: string; origin: string; count: number }>()
  for (const { status, origin, count } of entries) {
    const id = `${status} ${origin}`
    counts.set(id, { status, origin, count: count + (counts.get(id)?.count ?? 0) })
  }
  return [...counts.values()].toSorted((a, b) => b.count - a.count)
}
