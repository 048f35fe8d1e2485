/** One connection of a caller: what is sent on it, what came of it, and what was wrong with that. */
import { expectedTarget, wasSent } from './judge-arrival.ts'
import { answerFaults, answersIn, type Answers } from './judge-answers.ts'
import { valuesOf } from './strict-http.ts'
import { readRequests, type Reading, type Request } from './read-requests.ts'

/**
 * How the caller goes on after its last byte. `wait`: until all is answered. `half-close`: it says
 * that nothing more comes, and waits for the end. `leave`: it is gone.
 */
export type Ending = 'wait' | 'half-close' | 'leave'

export interface Plan {
  readonly id: string
  readonly bytes: string
  /** Where the bytes are cut into writes. */
  readonly cuts: readonly number[]
  readonly ending: Ending
}

export interface Finding {
  readonly what: string
  readonly plan: Plan
  /** What the caller got. */
  readonly received: string
}

const offersUpgrade = ({ fields }: Request): boolean =>
  /\bupgrade\b/i.test(valuesOf(fields, 'connection').join()) &&
  valuesOf(fields, 'upgrade').length > 0

export class Session {
  readonly plan: Plan
  readonly reading: Reading
  readonly faults: string[] = []
  /** The API did something odd on purpose, so that answers may be missing. */
  isDisturbed = false
  received = ''
  #arrived = 0

  constructor(plan: Plan) {
    this.plan = plan
    this.reading = readRequests(plan.bytes)
  }

  /** A head has reached the API. */
  begin(): void {
    this.#arrived += 1
    // A read may be repeated on a new connection where an old one died.
    const most = this.reading.requests.length * (this.isDisturbed ? 2 : 1)
    if (this.#arrived > most) this.faults.push('more requests arrived than were sent')
  }

  hasSent(request: Request): boolean {
    return wasSent(request, this.reading.requests)
  }

  answers(): Answers {
    return answersIn(
      this.received,
      this.reading.requests.map(({ method }) => method),
    )
  }

  /** Requests that are there to the last byte. */
  get complete(): number {
    return this.reading.requests.filter(({ body }) => body !== undefined).length
  }

  /** How many answers there must be. */
  get #owed(): number {
    // Node drops what came in one piece with a request for another protocol.
    const upgrade = this.reading.requests.findIndex((request) => offersUpgrade(request))
    if (upgrade !== -1) return Math.min(this.complete, upgrade + 1)
    return this.complete + (this.reading.rest instanceof Error ? 1 : 0)
  }

  /** Whether the caller need not wait any longer. */
  isAnswered(): boolean {
    const { answers, whole } = this.answers()
    return whole && (answers.length >= this.#owed || this.#isClosedFor(answers))
  }

  /** The connection may be closed behind a refusal, and behind a body that was not asked for. */
  #isClosedFor(answers: Answers['answers']): boolean {
    const last = answers.at(-1)
    if (last?.isLast !== true) return false
    const request = this.reading.requests[answers.length - 1]
    return last.code !== undefined || valuesOf(request?.fields ?? [], 'expect').length > 0
  }

  /** Whoever sends on behind the last request of a connection may be reset (RFC 9112 §9.6). */
  get #sendsOn(): boolean {
    return this.reading.rest === 'closed' && this.plan.bytes.length > this.reading.end
  }

  /**
   * All that was wrong, once it is over.
   *
   * @param wasReset whether the connection ended in an error
   */
  judge(wasReset: boolean): string[] {
    const answers = this.answers()
    const targets = this.reading.requests.map(({ target }) => expectedTarget(target))
    const faults = [...this.faults, ...answerFaults(answers, this.reading, targets)]
    const isExcused = this.isDisturbed || (wasReset && this.#sendsOn)
    const mustAnswer = this.plan.ending === 'wait' && !isExcused
    return mustAnswer && !this.isAnswered()
      ? [...faults, 'a request without a whole answer']
      : faults
  }
}
