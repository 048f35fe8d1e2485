/**
 * Where requests pass by on their way out. While nobody looks, a request costs a null check; only a
 * failure is counted, by its code, so that whoever comes later sees what has happened.
 */
import type { ErrorCode } from '../errors.ts'
import type { IncomingMessage } from 'node:http'
import type { Journal } from '../proxy/journal.ts'
import type { RequestRecorder } from './request-recorder.ts'

export interface SeenProblem {
  readonly code: ErrorCode
  readonly count: number
  /** Wall ms. */
  readonly lastAt: number
}

export class RequestWatch {
  /** There while somebody looks. */
  recorder: RequestRecorder | undefined
  readonly #problems = new Map<ErrorCode, SeenProblem>()

  /**
   * @param status of the answer's head; `undefined`: none was sent
   * @param durationMs from the head of the request to the end of the answer
   * @param at wall ms
   */
  done(
    request: IncomingMessage,
    status: number | undefined,
    journal: Journal,
    durationMs: number,
    at: number,
  ): void {
    if (journal.failure !== undefined) this.#note(journal.failure, at)
    this.recorder?.record({ request, status, journal, durationMs, at })
  }

  /** One for each code, the latest first. */
  problems(): readonly SeenProblem[] {
    return [...this.#problems.values()].toSorted((a, b) => b.lastAt - a.lastAt)
  }

  #note(code: ErrorCode, lastAt: number): void {
    const count = (this.#problems.get(code)?.count ?? 0) + 1
    this.#problems.set(code, { code, count, lastAt })
  }
}
