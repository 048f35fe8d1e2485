/**
 * What the proxy counts, as plain numbers: a request costs a few additions, and everything else is
 * done when somebody asks for /metrics.
 */
import { errorEntry } from '../errors.ts'
import type { Journal } from '../proxy/journal.ts'
import type { TokenFailure } from '../token/token-failure.ts'
import { Histogram } from './histogram.ts'
import { LabelledCounter } from './labelled-counter.ts'
import { RequestTally, type Origin } from './request-tally.ts'

/** Seconds. Answers of OData services take between milliseconds and a minute. */
const REQUEST_BOUNDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60]
/** An attempt to get a token ends after 8 s at most. */
const TOKEN_BOUNDS = [0.05, 0.1, 0.25, 0.5, 1, 2, 4, 8]

export type TokenOutcomeLabel = 'granted' | TokenFailure['kind']

/** `answered`: by something else than 401. `not_repeatable`: the caller was asked to repeat it. */
export type ReplayResult = 'answered' | 'rejected' | 'failed' | 'not_repeatable'

/** `taken`: the new key is in use. `refused`: the old one stays, because the new one does not work. */
export type ReloadOutcome = 'taken' | 'refused'

const replayResult = ({ token, failure }: Journal, status: number | undefined) => {
  if (token === 'refreshed') return 'not_repeatable'
  if (token !== 'replayed') return undefined
  if (failure === 'upstream_rejected_token' || status === 401) return 'rejected'
  return failure === undefined && status !== undefined ? 'answered' : 'failed'
}

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
    journal: Journal,
    duration: number,
  ): void {
    this.inFlight -= 1
    const { failure, sentAt, answeredAt, links } = journal
    const unanswered: Origin = status === undefined ? 'caller' : 'api'
    this.requests.add(
      method,
      status,
      failure === undefined ? unanswered : errorEntry(failure).origin,
    )
    this.requestDuration.observe(duration)
    if (sentAt !== undefined && answeredAt !== undefined) {
      this.upstreamDuration.observe(answeredAt - sentAt)
    }
    if (links !== undefined) this.linksRewritten(links)
    const replay = replayResult(journal, status)
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
