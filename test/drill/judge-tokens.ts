/** What the proxy did with tokens: which ones it sent, and how often it asked for one. Pure. */
import type { Call } from '../fixtures/caller.ts'
import type { Arrival } from '../fixtures/scripted-api.ts'
import { usableAge, type Grant, type TokenRequest } from '../fixtures/scripted-token-server.ts'

/** All times are monotonic ms. */
export interface TokenRecord {
  readonly calls: readonly Call[]
  readonly arrivals: readonly Arrival[]
  readonly grants: readonly Grant[]
  readonly tokenRequests: readonly TokenRequest[]
  /** Times in which connections to the token server were refused: nobody saw those requests. */
  readonly outages: readonly { readonly from: number; readonly to: number }[]
}

/** What must never happen to tokens. */
export const TOKEN_BREACHES = {
  'expired token': 'the API was shown a token after its end',
  'malformed token': 'the API was shown something that nobody granted',
  'revoked token':
    'the API was shown a token again that it had rejected, although there was a later one',
  'token requests at once': 'the token server was asked twice at the same time',
  'too many token requests': 'the token server was asked earlier than the gaps allow',
} as const

interface Breach {
  readonly kind: keyof typeof TOKEN_BREACHES
  readonly at: number
  /** Holds ids and numbers, never a token. */
  readonly detail: string
}

export const judgeTokens = (run: TokenRecord): readonly Breach[] => [
  ...judgeArrivals(run),
  ...judgeTokenRequests(run),
]

/** Between a moment here and the same moment in the proxy lie two event loops. */
const SLACK_MS = 250
/** What begins so long after the arrival of the first rejected request must not use its token. */
const REVOCATION_SLACK_MS = 500
const MIN_GAP_MS = 1_000
const MIN_BACKGROUND_GAP_MS = 5_000
/** The earliest soft point. */
const SOFT = 0.45
const MAX_TRIES = 3
const ATTEMPT_LIMIT_MS = 8_000

/** A request takes its token when it begins; it may have to queue for a connection after that. */
const judgeArrivals = ({ arrivals, calls, grants }: TokenRecord): Breach[] => {
  const startedAt = new Map(calls.map((call) => [call.id, call.startedAt]))
  const rejectedAt = new Map<string, number>()
  const judge = ({ token, presented, at, id }: Arrival): Breach[] => {
    if (token === 'good') return []
    if (token === 'expired') return [{ kind: 'expired token', at, detail: `with ${id}` }]
    if (token === 'malformed') {
      return [{ kind: 'malformed token', at, detail: `with ${id}: ${presented}` }]
    }
    const rejected = rejectedAt.get(presented) ?? at
    rejectedAt.set(presented, rejected)
    const since = (startedAt.get(id) ?? at) - Math.max(rejected, replacedAt(presented, grants))
    return since > REVOCATION_SLACK_MS
      ? [{ kind: 'revoked token', at, detail: `with ${id}, begun ${Math.round(since)} ms later` }]
      : []
  }
  return arrivals.flatMap(judge)
}

/** When there was a later one; until then nobody has a better one. */
const replacedAt = (value: string, grants: readonly Grant[]): number => {
  const index = grants.findIndex((grant) => grant.value === value)
  return grants[index + 1]?.grantedAt ?? Infinity
}

/**
 * One attempt of the proxy: up to three tries.
 * @param previous the try before
 */
const goesOn = (tries: number, { outcome }: TokenRequest): boolean =>
  tries < MAX_TRIES && (outcome === 'transient' || outcome === 'limited')

/** A renewal that nobody waits for keeps a longer gap, and begins at the soft point. */
const gapAfterGrant = ({ grant }: TokenRequest, now: number): number => {
  if (grant === undefined) return 0
  const { lifetime, revokedAt = Infinity } = grant
  if (revokedAt <= now) return MIN_GAP_MS
  const background = Math.min(MIN_BACKGROUND_GAP_MS, usableAge(lifetime))
  return Math.max(MIN_GAP_MS, SOFT * lifetime, background)
}

interface Place {
  /** Of the attempt that this request belongs to, this one included. */
  readonly tries: number
  readonly attemptedAt: number
  /** In an outage attempts begin that nobody sees: what follows cannot be told to be too early. */
  readonly isSure: boolean
}

/**
 * @param place of the previous one
 * @returns when the next try may come at the earliest
 */
const earliest = (
  previous: TokenRequest,
  { at }: TokenRequest,
  { tries, attemptedAt }: Place,
): number => {
  const asked = previous.notBefore ?? -Infinity
  if (previous.outcome === 'granted') return attemptedAt + gapAfterGrant(previous, at)
  if (goesOn(tries, previous)) return asked
  return Math.max(asked, previous.endedAt + MIN_GAP_MS)
}

const seconds = (ms: number): string => (ms / 1000).toFixed(2)

const placesOf = ({ tokenRequests, outages }: TokenRecord): readonly Place[] => {
  const places: Place[] = []
  for (const [index, { at }] of tokenRequests.entries()) {
    const previous = tokenRequests[index - 1]
    const place = places.at(-1)
    const isSure = !outages.some(({ from, to }) => from < at && to > (previous?.at ?? at))
    const isSame =
      previous !== undefined &&
      place !== undefined &&
      isSure &&
      goesOn(place.tries, previous) &&
      at - place.attemptedAt < ATTEMPT_LIMIT_MS
    places.push(
      isSame ? { ...place, tries: place.tries + 1 } : { tries: 1, attemptedAt: at, isSure },
    )
  }
  return places
}

const judgePair = (previous: TokenRequest, current: TokenRequest, place: Place): Breach[] => {
  const { at } = current
  const after = `after "${previous.outcome}"`
  if (previous.endedAt > at + SLACK_MS)
    return [{ kind: 'token requests at once', at, detail: after }]
  const early = earliest(previous, current, place) - at
  return early > SLACK_MS
    ? [{ kind: 'too many token requests', at, detail: `${seconds(early)} s early ${after}` }]
    : []
}

const judgeTokenRequests = (run: TokenRecord): Breach[] => {
  const places = placesOf(run)
  return run.tokenRequests.flatMap((current, index) => {
    const previous = run.tokenRequests[index - 1]
    const place = places[index - 1]
    const isSure = place?.isSure === true && places[index]?.isSure === true
    return previous && isSure ? judgePair(previous, current, place) : []
  })
}
