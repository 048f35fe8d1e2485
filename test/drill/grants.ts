/** The tokens granted so far, shared by the server that grants them and the API that checks them. */
import type { Random } from './random.ts'
import type { Arrival, Grant } from './record.ts'

const MAX_MARGIN_MS = 60_000
const MIN_MARGIN_MS = 5_000

/** Age in ms up to which callers must be served with a token of this lifetime. */
export const usableAge = (lifetime: number): number =>
  lifetime - Math.min(Math.max(0.1 * lifetime, MIN_MARGIN_MS), MAX_MARGIN_MS, lifetime / 2)

/** When the proxy has to stop using it, by age or by the API's word. */
export const usableUntil = ({ askedAt, lifetime, revokedAt = Infinity }: Grant): number =>
  Math.min(askedAt + usableAge(lifetime), revokedAt)

export class GrantBook {
  readonly all: Grant[] = []
  readonly #byValue = new Map<string, Grant>()
  readonly #random: Random

  constructor(random: Random) {
    this.#random = random
  }

  get latest(): Grant | undefined {
    return this.all.at(-1)
  }

  /** @param lifetime in ms */
  issue(askedAt: number, lifetime: number): Grant {
    const noise = Array.from({ length: 8 }, () => this.#random().toString(36).slice(2, 10))
    const value = `drill-${this.all.length + 1}-${noise.join('')}`
    const grant: Grant = { value, askedAt, grantedAt: performance.now(), lifetime }
    this.all.push(grant)
    this.#byValue.set(value, grant)
    return grant
  }

  revokeAll(): void {
    const revokedAt = performance.now()
    for (const grant of this.all) grant.revokedAt ??= revokedAt
  }

  /** What the API has to think of an `Authorization` field. */
  check(authorization: string | undefined, now: number): Pick<Arrival, 'token' | 'presented'> {
    const value = authorization?.match(/^Bearer (\S+)$/)?.[1] ?? ''
    const grant = this.#byValue.get(value)
    if (grant === undefined) {
      return { token: 'malformed', presented: JSON.stringify(authorization ?? '').slice(0, 60) }
    }
    const isExpired = now > grant.grantedAt + grant.lifetime
    const valid = grant.revokedAt === undefined ? 'good' : 'revoked'
    return { token: isExpired ? 'expired' : valid, presented: value }
  }
}
