/**
 * Requests on their way out, as the console shows them. The last ones, and what each second had of them,
 * are kept only while somebody looks: else a request costs a null check. Failures are counted always.
 */
import type { IncomingMessage } from 'node:http'
import { type ErrorCode, originOf } from '../errors.ts'
import type { RequestContext } from '../proxy/request-context.ts'

/** Of one code: so that whoever comes later sees what has happened. */
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
    context: RequestContext,
    durationMs: number,
    at: number,
  ): void {
    if (context.failure !== undefined) this.#note(context.failure, at)
    this.recorder?.record(request, status, context, durationMs, at)
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

/** What one second had. */
export interface SecondSummary {
  readonly finished: number
  /** ms; `null`: there was no request. */
  readonly p50: number | null
  readonly p95: number | null
  readonly p99: number | null
}

export class RequestRecorder {
  readonly #requests: SeenRequest[] = []
  readonly #durations = new Float64Array(MAX_DURATIONS)
  #finished = 0
  #lastId = 0

  /** @see RequestWatch.done */
  record(
    request: IncomingMessage,
    status: number | undefined,
    context: RequestContext,
    durationMs: number,
    at: number,
  ): void {
    this.#durations[this.#finished % MAX_DURATIONS] = durationMs
    this.#finished += 1
    this.#lastId += 1
    const { sentAt, respondedAt } = context
    this.#requests.push({
      id: this.#lastId,
      at,
      method: request.method as string,
      path: pathOf(request.url as string),
      status: status ?? null,
      origin: originOf(context.failure, status),
      totalMs: tenths(durationMs),
      apiMs:
        sentAt === undefined || respondedAt === undefined ? null : tenths(respondedAt - sentAt),
      token: context.token ?? null,
      code: context.failure ?? null,
      correlationId: context.ids.correlationId,
    })
    if (this.#requests.length > MAX_REQUESTS) this.#requests.shift()
  }

  /** Those that are newer than the one with this id, oldest first. */
  since(id: number): readonly SeenRequest[] {
    return this.#requests.filter((request) => request.id > id)
  }

  /** What there was since the last call. */
  takeSecond(): SecondSummary {
    const finished = this.#finished
    this.#finished = 0
    const sorted = this.#durations.slice(0, Math.min(finished, MAX_DURATIONS)).toSorted()
    return {
      finished,
      p50: percentile(sorted, 0.5),
      p95: percentile(sorted, 0.95),
      p99: percentile(sorted, 0.99),
    }
  }
}

/** One request that is done, as the console shows it. Never a query, header field or body. */
interface SeenRequest {
  /** Counts up; tells what is new. */
  readonly id: number
  /** Wall ms at its end. */
  readonly at: number
  readonly method: string
  readonly path: string
  /** `null`: the caller left before there was one. */
  readonly status: number | null
  /** Who made the answer, as the metrics say it. */
  readonly origin: string
  /** From the head of the request to the end of the answer. */
  readonly totalMs: number
  /** From sending to the head of the answer; `null`: it did not come so far. */
  readonly apiMs: number | null
  readonly token: RequestContext['token'] | null
  readonly code: string | null
  readonly correlationId: string
}

/** Of a second; at more of them the last ones stand for all. */
const MAX_DURATIONS = 4_096

/** Filters of OData carry personal data, and other forms than a path may hold passwords. */
const pathOf = (target: string): string =>
  target.startsWith('/') ? (target.split(/[?#]/, 1)[0] as string).slice(0, MAX_PATH) : '(no path)'

const MAX_PATH = 200

const tenths = (ms: number): number => Math.round(ms * 10) / 10

const MAX_REQUESTS = 100

/** Nearest rank. @param sorted ascending */
const percentile = (sorted: Float64Array, share: number): number | null => {
  const value = sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)]
  return value === undefined ? null : tenths(value)
}
