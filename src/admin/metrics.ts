/**
 * What the proxy counts, as plain numbers: a request costs a few additions, and everything else is
 * done when somebody asks for /metrics.
 */
import type { Clock } from '../clock.ts'
import { errorEntry } from '../errors.ts'
import type { RequestContext } from '../proxy/request-context.ts'
import type { TokenFailure } from '../token/token-response.ts'
import type { TokenGrant } from '../token/token-source.ts'
import { Histogram, LabelledCounter } from './counters.ts'

export class ProxyMetrics {
  /** Requests that are not done. */
  inFlight = 0
  links = 0
  readonly requests = new RequestTally()
  readonly requestDuration = new Histogram(REQUEST_BOUNDS)
  readonly upstreamDuration = new Histogram(REQUEST_BOUNDS)
  readonly tokenRefreshDuration = new Histogram(TOKEN_BOUNDS)
  readonly tokenRequests = new LabelledCounter<TokenOutcomeLabel>([
    'granted',
    'rejected',
    'misconfigured',
    'rate_limited',
    'transient',
  ])
  readonly replays = new LabelledCounter<ReplayResult>([
    'answered',
    'rejected',
    'failed',
    'not_repeatable',
  ])
  readonly reloads = new LabelledCounter<ReloadOutcome>(['taken', 'refused'])
  readonly denials = new LabelledCounter()

  requestBegan(): void {
    this.inFlight += 1
  }

  /**
   * @param status of the answer's head; `undefined`: none was sent
   * @param duration in ms
   */
  requestEnded(
    method: string,
    status: number | undefined,
    context: RequestContext,
    duration: number,
  ): void {
    this.inFlight -= 1
    const { failure, sentAt, respondedAt, links } = context
    const unanswered: Origin = status === undefined ? 'caller' : 'api'
    this.requests.add(
      method,
      status,
      failure === undefined ? unanswered : errorEntry(failure).origin,
    )
    this.requestDuration.observe(duration)
    if (sentAt !== undefined && respondedAt !== undefined) {
      this.upstreamDuration.observe(respondedAt - sentAt)
    }
    if (links !== undefined) this.linksRewritten(links)
    const replay = replayResult(context, status)
    if (replay !== undefined) this.replays.add(replay)
  }

  /** One exchange with the token server. */
  tokenRequested(outcome: TokenOutcomeLabel): void {
    this.tokenRequests.add(outcome)
  }

  /** @param duration of a whole attempt to get a token, in ms */
  tokenRefreshed(duration: number): void {
    this.tokenRefreshDuration.observe(duration)
  }

  linksRewritten(count: number): void {
    this.links += count
  }

  reload(outcome: ReloadOutcome): void {
    this.reloads.add(outcome)
  }

  /** @param reason one of a few words, never anything that a caller sent */
  denied(reason: string): void {
    this.denials.add(reason)
  }
}

/* FOLDED: Counts what passes through a grant. */

/** @param grant one exchange with the token server each time */
export const countedGrant = (grant: TokenGrant, metrics: ProxyMetrics): TokenGrant => ({
  async request(signal) {
    const outcome = await grant.request(signal)
    metrics.tokenRequested(outcome.ok ? 'granted' : outcome.failure.kind)
    return outcome
  },
})

/** @param grant one attempt to get a token each time, repetitions included */
export const timedGrant = (grant: TokenGrant, metrics: ProxyMetrics, clock: Clock): TokenGrant => ({
  async request(signal) {
    const startedAt = clock.now().monotonic
    const outcome = await grant.request(signal)
    metrics.tokenRefreshed(clock.now().monotonic - startedAt)
    return outcome
  },
})

export interface TallyEntry {
  readonly method: string
  readonly status: string
  readonly origin: Origin
  readonly count: number
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

/** Seconds. Answers of OData services take between milliseconds and a minute. */
const REQUEST_BOUNDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60]

/** An attempt to get a token ends after 8 s at most. */
const TOKEN_BOUNDS = [0.05, 0.1, 0.25, 0.5, 1, 2, 4, 8]

type TokenOutcomeLabel = 'granted' | TokenFailure['kind']

/** `answered`: by something else than 401. `not_repeatable`: the caller was asked to repeat it. */
type ReplayResult = 'answered' | 'rejected' | 'failed' | 'not_repeatable'

/** `taken`: the new key is in use. `refused`: the old one stays, because the new one does not work. */
type ReloadOutcome = 'taken' | 'refused'

/** Who made the answer; the caller, if it left before there was one. */
type Origin = (typeof ORIGINS)[number]

const replayResult = ({ token, failure }: RequestContext, status: number | undefined) => {
  if (token === 'refreshed') return 'not_repeatable'
  if (token !== 'replayed') return undefined
  if (failure === 'upstream_rejected_token' || status === 401) return 'rejected'
  return failure === undefined && status !== undefined ? 'answered' : 'failed'
}

const ORIGINS = ['api', 'caller', 'service-key-proxy', 'token-server'] as const

/* FOLDED: Requests by method, status and origin. Counting allocates nothing, and what callers send is folded. */

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'MERGE', 'DELETE', 'OPTIONS', 'OTHER']

const OTHER_METHOD = METHODS.length - 1

const LAST_STATUS = 599

const OTHER_STATUS = LAST_STATUS + 1

const STATUSES = OTHER_STATUS + 1

const NO_STATUS = 0

const statusLabel = (status: number): string => {
  if (status === NO_STATUS) return 'none'
  return status === OTHER_STATUS ? 'other' : String(status)
}
