/** The sessions under way, and whose a request at the API is. */
import type { Request } from './read-requests.ts'
import type { Session } from './session.ts'

/** Late arrivals of a session that is over are still its own. */
const KEPT_MS = 3_000

/** Multiples of 11: a mutation of one digit makes no other one, so that no request is another session's. */
export const idOf = (index: number): string => `z${String(index * 11).padStart(7, '0')}z`

export class Sessions {
  readonly #active = new Map<string, Session>()

  add(session: Session): void {
    this.#active.set(session.plan.id, session)
  }

  /** @param over told of it once nothing of it can arrive any more */
  end(session: Session, over: () => void): void {
    setTimeout(() => {
      this.#active.delete(session.plan.id)
      over()
    }, KEPT_MS).unref()
  }

  clear(): void {
    this.#active.clear()
  }

  /** By its id, which a mutation may have hit, or by what was sent. */
  ownerOf(request: Request, text: string): Session | undefined {
    const named = this.#active.get(/z\d{7}z/.exec(text)?.[0] ?? '')
    if (named?.hasSent(request) === true) return named
    return [...this.#active.values()].find((session) => session.hasSent(request)) ?? named
  }

  get plans() {
    return [...this.#active.values()].map(({ plan }) => plan)
  }
}
