/** One connection of a caller: what is sent on it, what came of it, and what was wrong with that. */
import net, { type Socket } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import { readRequests, valuesOf, type Reading, type Request } from './http-reader.ts'
import { answerFaults, answersIn, expectedTarget, wasSent, type Answers } from './judge.ts'

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
    const { requests } = this.reading
    return answersIn(
      this.received,
      requests.map(({ method }) => method),
    )
  }

  /** Requests that are there to the last byte. */
  get complete(): number {
    return this.reading.requests.filter(({ body }) => body !== undefined).length
  }

  /** Whether the caller need not wait any longer. */
  isAnswered(): boolean {
    const { answers, whole } = this.answers()
    return whole && (answers.length >= this.#owed || this.#isClosedFor(answers))
  }

  /** All that was wrong, once it is over. @param wasReset the connection ended in an error */
  judge(wasReset: boolean): string[] {
    const targets = this.reading.requests.map(({ target }) => expectedTarget(target))
    const faults = [...this.faults, ...answerFaults(this.answers(), this.reading, targets)]
    const isExcused = this.isDisturbed || (wasReset && this.#sendsOn)
    const mustAnswer = this.plan.ending === 'wait' && !isExcused
    return mustAnswer && !this.isAnswered()
      ? [...faults, 'a request without a whole answer']
      : faults
  }

  /** How many answers there must be. */
  get #owed(): number {
    // Node drops what came in one piece with a request for another protocol.
    const upgrade = this.reading.requests.findIndex((request) => offersUpgrade(request))
    if (upgrade !== -1) return Math.min(this.complete, upgrade + 1)
    return this.complete + (this.reading.rest instanceof Error ? 1 : 0)
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
}

/** Writes, waits as planned, and resolves with what was wrong. */
export const play = async (port: number, session: Session): Promise<string[]> => {
  const socket = net.connect(port, '127.0.0.1')
  socket.setNoDelay(true)
  let failure: NodeJS.ErrnoException | undefined
  socket.on('error', (error) => (failure = error))
  const over = outcomeOf(socket, session)
  await write(socket, session.plan)
  const outcome = await over
  socket.destroy()
  if (outcome === 'hang') return [...session.faults, `no end after ${HANG_MS} ms`]
  // The system has run out of ports: so many connections were there a moment ago.
  if (outcome === 'left' || failure?.code === 'EADDRNOTAVAIL') return session.faults
  const ending = failure === undefined ? '' : ` (${failure.code})`
  return session.judge(failure !== undefined).map((fault) => fault + ending)
}

/** Multiples of 11: a mutation of one digit makes no other one, so that no request is another session's. */
export const idOf = (index: number): string => `z${String(index * 11).padStart(7, '0')}z`

/** The sessions under way, and whose a request at the API is. */
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

  get plans(): readonly Plan[] {
    return [...this.#active.values()].map(({ plan }) => plan)
  }
}

/** Above every limit that the proxy has been given. */
const HANG_MS = 8_000
/** For what may come back of a request that is not whole; nothing has to. */
const LINGER_MS = 5
/** Late arrivals of a session that is over are still its own. */
const KEPT_MS = 3_000

const offersUpgrade = ({ fields }: Request): boolean =>
  /\bupgrade\b/i.test(valuesOf(fields, 'connection').join()) &&
  valuesOf(fields, 'upgrade').length > 0

const write = async (socket: Socket, { bytes, cuts, ending }: Plan): Promise<void> => {
  for (const [i, end] of [...cuts, bytes.length].entries()) {
    if (!socket.writable) return
    socket.write(bytes.slice(cuts[i - 1] ?? 0, end), 'latin1')
    if (cuts.length > 0) await turn()
  }
  if (ending === 'half-close') socket.end()
}

/** Resolves once there is nothing more to wait for. */
const outcomeOf = (socket: Socket, session: Session) =>
  new Promise<'ended' | 'answered' | 'left' | 'hang'>((resolve) => {
    const { reading, complete } = session
    const { ending } = session.plan
    const hang = setTimeout(() => resolve('hang'), HANG_MS)
    const isOwedNothing = !(reading.rest instanceof Error) && complete === 0
    const mayLeave = ending === 'leave' || (ending === 'wait' && isOwedNothing)
    socket.on('data', (chunk: Buffer) => {
      session.received += chunk.toString('latin1')
      if (ending === 'wait' && session.isAnswered()) resolve('answered')
    })
    socket.on('close', () => {
      clearTimeout(hang)
      resolve('ended')
    })
    if (mayLeave) setTimeout(() => resolve('left'), LINGER_MS)
  })
