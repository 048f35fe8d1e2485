/** The last requests, and what each second had of them: kept only while somebody looks. */
import type { IncomingMessage } from 'node:http'
import { errorEntry } from '../errors.ts'
import type { Journal } from '../proxy/journal.ts'

/** One request that is done, as the console shows it. Never a query, header field or body. */
export interface SeenRequest {
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
  readonly token: Journal['token'] | null
  readonly code: string | null
  readonly correlationId: string
}

/** What one second had. */
export interface SecondSummary {
  readonly finished: number
  /** ms; `null`: there was no request. */
  readonly p50: number | null
  readonly p95: number | null
  readonly p99: number | null
}

/** A request at the moment it is done. */
interface DoneRequest {
  readonly request: IncomingMessage
  readonly status: number | undefined
  readonly journal: Journal
  readonly durationMs: number
  /** Wall ms. */
  readonly at: number
}

const MAX_REQUESTS = 100
/** Of a second; at more of them the last ones stand for all. */
const MAX_DURATIONS = 4_096
const MAX_PATH = 200

const tenths = (ms: number): number => Math.round(ms * 10) / 10

/** Filters of OData carry personal data, and other forms than a path may hold passwords. */
const pathOf = (target: string): string =>
  target.startsWith('/') ? (target.split(/[?#]/, 1)[0] as string).slice(0, MAX_PATH) : '(no path)'

const originOf = ({ failure }: Journal, status: number | undefined): string => {
  if (failure !== undefined) return errorEntry(failure).origin
  return status === undefined ? 'caller' : 'api'
}

/** Nearest rank. @param sorted ascending */
const percentile = (sorted: Float64Array, share: number): number | null => {
  const value = sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)]
  return value === undefined ? null : tenths(value)
}

export class RequestRecorder {
  readonly #requests: SeenRequest[] = []
  readonly #durations = new Float64Array(MAX_DURATIONS)
  #finished = 0
  #lastId = 0

  record({ request, status, journal, durationMs, at }: DoneRequest): void {
    this.#durations[this.#finished % MAX_DURATIONS] = durationMs
    this.#finished += 1
    this.#lastId += 1
    const { sentAt, answeredAt } = journal
    this.#requests.push({
      id: this.#lastId,
      at,
      method: request.method as string,
      path: pathOf(request.url as string),
      status: status ?? null,
      origin: originOf(journal, status),
      totalMs: tenths(durationMs),
      apiMs: sentAt === undefined || answeredAt === undefined ? null : tenths(answeredAt - sentAt),
      token: journal.token ?? null,
      code: journal.failure ?? null,
      correlationId: journal.ids.correlationId,
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
