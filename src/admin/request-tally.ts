/** Requests by method, status and origin. Counting allocates nothing, and what callers send is folded. */

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'MERGE', 'DELETE', 'OPTIONS', 'OTHER']
const OTHER_METHOD = METHODS.length - 1
const ORIGINS = ['api', 'caller', 'service-key-proxy', 'token-server'] as const

/** Who made the answer; the caller, if it left before there was one. */
export type Origin = (typeof ORIGINS)[number]

export interface TallyEntry {
  readonly method: string
  readonly status: string
  readonly origin: Origin
  readonly count: number
}

const NO_STATUS = 0
const LAST_STATUS = 599
const OTHER_STATUS = LAST_STATUS + 1
const STATUSES = OTHER_STATUS + 1

const statusLabel = (status: number): string => {
  if (status === NO_STATUS) return 'none'
  return status === OTHER_STATUS ? 'other' : String(status)
}

export class RequestTally {
  readonly #counts = new Map<number, number>()

  /** @param status of the answer's head; `undefined`: none was sent */
  add(method: string, status: number | undefined, origin: Origin): void {
    const known = METHODS.indexOf(method)
    const row = (known === -1 ? OTHER_METHOD : known) * ORIGINS.length + ORIGINS.indexOf(origin)
    const key = row * STATUSES + Math.min(status ?? NO_STATUS, OTHER_STATUS)
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1)
  }

  entries(): readonly TallyEntry[] {
    return Array.from(this.#counts, ([key, count]) => {
      const row = Math.floor(key / STATUSES)
      return {
        method: METHODS[Math.floor(row / ORIGINS.length)] as string,
        status: statusLabel(key % STATUSES),
        origin: ORIGINS[row % ORIGINS.length] as Origin,
        count,
      }
    })
  }
}
