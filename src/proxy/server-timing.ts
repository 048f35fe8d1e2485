/**
 * SKP_EXPLAIN: what the time of one request went into, as `Server-Timing`
 * (https://www.w3.org/TR/server-timing/): `token`, `upstream`, `total`, in ms, up to the head of the
 * answer.
 */
export class ServerTiming {
  readonly #now: () => number
  #wantedAt = 0
  #waited = 0
  /** The part of it between sending a request and sending it again. */
  #waitedSince = 0

  /** @param now monotonic ms */
  constructor(now: () => number) {
    this.#now = now
  }

  /** A token is waited for. */
  waits(): void {
    this.#wantedAt = this.#now()
  }

  /** The wait is over. */
  goesOn({ sentAt }: Pick<Told, 'sentAt'>): void {
    const waited = this.#now() - this.#wantedAt
    this.#waited += waited
    if (sentAt !== undefined) this.#waitedSince += waited
  }

  /** The value of the field, now that there is a head. */
  describe({ token, failure, startedAt, sentAt }: Told): string {
    const now = this.#now()
    const parts: string[] = []
    if (token !== undefined) {
      const description = failure === 'token_refreshed_retry' ? 'refreshed' : DESCRIPTIONS[token]
      const name = `token;desc="${description}"`
      parts.push(token === 'cached' ? name : metric(name, this.#waited))
    }
    if (sentAt !== undefined) parts.push(metric('upstream', now - sentAt - this.#waitedSince))
    parts.push(metric('total', now - startedAt))
    return parts.join(', ')
  }
}

/** Of the context of a request, see request-context.ts. */
interface Told {
  readonly startedAt: number
  readonly sentAt?: number | undefined
  readonly token?: keyof typeof DESCRIPTIONS | undefined
  readonly failure?: string | undefined
}

const DESCRIPTIONS = {
  cached: 'cached',
  waited: 'waited',
  replayed: 'refreshed',
  refreshed: 'refreshed',
} as const

const metric = (name: string, ms: number): string => `${name};dur=${ms.toFixed(1)}`
