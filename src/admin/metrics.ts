/**
 * What the proxy counts, as plain numbers: a request costs a few additions, and everything else is
 * done when somebody asks for /metrics.
 */
import type { Clock } from '../clock.ts'
import { originOf } from '../errors.ts'
import type { RequestContext } from '../proxy/request-context.ts'
import type { TokenFailure } from '../token/token-response.ts'
import type { CredentialRole, TokenGrant } from '../token/token-source.ts'
import { Histogram, LabelledCounter, RequestTally } from './counters.ts'

export class ProxyMetrics {
  /** Requests that are not done. */
  inFlight = 0
  links = 0
  readonly requests = new RequestTally()
  readonly requestDuration = new Histogram(REQUEST_BOUNDS)
  readonly upstreamDuration = new Histogram(REQUEST_BOUNDS)
  /** Of whole attempts to get a token. */
  readonly tokenRefreshDuration = new Histogram(TOKEN_BOUNDS)
  /** Exchanges with the token server. Only `rejected` is about requests: see `tokenRejected`. */
  readonly tokenRequests = new LabelledCounter<
    'granted' | TokenFailure['kind'] | (typeof REJECTION)[CredentialRole]
  >([
    'granted',
    'rejected',
    'rejected_rescued',
    'rejected_unused',
    'misconfigured',
    'rate_limited',
    'transient',
  ])
  /** `answered`: by something else than 401. `not_repeatable`: the caller was asked to repeat it. */
  readonly replays = new LabelledCounter<'answered' | 'rejected' | 'failed' | 'not_repeatable'>([
    'answered',
    'rejected',
    'failed',
    'not_repeatable',
  ])
  /** `taken`: a new key is in use. `refused`: the old one stays, because the new one does not work. */
  readonly reloads = new LabelledCounter<'taken' | 'refused'>(['taken', 'refused'])
  /** By one of a few words, never by anything that a caller sent. */
  readonly denials = new LabelledCounter()

  /** What a rejection means is known only after its second chance. */
  tokenRejected(role: CredentialRole): void {
    this.tokenRequests.add(REJECTION[role])
  }

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
    const { failure, sentAt, respondedAt, links = 0 } = context
    this.requests.add(method, status, originOf(failure, status))
    this.requestDuration.observe(duration)
    if (sentAt !== undefined && respondedAt !== undefined) {
      this.upstreamDuration.observe(respondedAt - sentAt)
    }
    this.links += links
    const replay = replayResult(context, status)
    if (replay !== undefined) this.replays.add(replay)
  }
}

/** @param grant one exchange with the token server each time; its rejections are counted elsewhere */
export const countedGrant = (grant: TokenGrant, metrics: ProxyMetrics): TokenGrant => ({
  async request(signal) {
    const outcome = await grant.request(signal)
    const result = outcome.ok ? 'granted' : outcome.failure.kind
    if (result !== 'rejected') metrics.tokenRequests.add(result)
    return outcome
  },
})

/** @param grant one attempt to get a token each time, repetitions included */
export const timedGrant = (grant: TokenGrant, metrics: ProxyMetrics, clock: Clock): TokenGrant => ({
  async request(signal) {
    const startedAt = clock.monotonic()
    const outcome = await grant.request(signal)
    metrics.tokenRefreshDuration.observe(clock.monotonic() - startedAt)
    return outcome
  },
})

const REJECTION = {
  in_use: 'rejected',
  rescued: 'rejected_rescued',
  unused: 'rejected_unused',
} as const

/** Seconds. Answers of OData services take between milliseconds and a minute. */
const REQUEST_BOUNDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60]

/** An attempt to get a token ends after 8 s at most. */
const TOKEN_BOUNDS = [0.05, 0.1, 0.25, 0.5, 1, 2, 4, 8]

const replayResult = ({ token, failure }: RequestContext, status: number | undefined) => {
  if (token === 'refreshed') return 'not_repeatable'
  if (token !== 'replayed') return undefined
  if (failure === 'upstream_rejected_token' || status === 401) return 'rejected'
  return failure === undefined && status !== undefined ? 'answered' : 'failed'
}
