/**
 * Whatever happens in whatever order, the promises about tokens hold. SEED=n repeats a run that
 * failed; every run prints its seed.
 */
import * as fc from 'fast-check'
import t from 'tap'
import type { Instant } from '../../src/clock.ts'
import type { AccessToken } from '../../src/token/access-token.ts'
import { CachedTokenSource } from '../../src/token/cached-token-source.ts'
import { retryingGrant } from '../../src/token/retrying-grant.ts'
import type { Credential, GrantOutcome, Refusal, TokenGrant } from '../../src/token/token-source.ts'
import { ManualClock, settle } from '../fixtures/manual-clock.ts'
import { ScriptedGrant } from '../fixtures/scripted-grant.ts'

const SEED = Number(process.env['SEED'] ?? 20_260_101)
const RUNS = 300
const WAIT_LIMIT_MS = 8_000
const MIN_GAP_MS = 1_000
/** Kept, in hand, previous, on its way, and the one that is final. */
const MAX_TOKENS = 5
/** The longest memory of a failure, and the gap after it. */
const RECOVERY_MS = 61_000
const KEYS = [0, 1, 2] as const
/** A server that does not notice that nobody listens any more. */
const DEAF_MS = 12_000

type Answer =
  | { readonly kind: 'grant'; readonly seconds: number; readonly after: number }
  | { readonly kind: 'rejected' | 'error' | 'unavailable' | 'garbage' | 'hang' | 'deaf' }
  | { readonly kind: 'rate_limited'; readonly seconds: number }

type Command =
  | { readonly do: 'advance' | 'jump wall'; readonly ms: number }
  | { readonly do: 'answer'; readonly answer: Answer; readonly spread: number }
  | { readonly do: 'reject' | 'change'; readonly nth: number }
  | { readonly do: 'acquire'; readonly callers: number }
  | { readonly do: 'peek' | 'recover' }

const SECOND = 1_000
const HOUR = 3_600 * SECOND
const seconds = fc.oneof(
  fc.integer({ min: 1, max: 20 }),
  fc.integer({ min: 21, max: 43_200 }),
  fc.constant(43_200),
)
const often = <T>(weight: number, model: { [K in keyof T]: fc.Arbitrary<T[K]> }) => ({
  weight,
  arbitrary: fc.record<T>(model),
})
const only = <T extends string>(name: T) => fc.constant(name)

const answers: fc.Arbitrary<Answer> = fc.oneof(
  often(4, {
    kind: only('grant'),
    seconds,
    after: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 7_000 })),
  }),
  often(4, {
    kind: fc.constantFrom('rejected', 'error', 'unavailable', 'garbage', 'hang', 'deaf'),
  }),
  often(1, { kind: only('rate_limited'), seconds: fc.nat({ max: 60 }) }),
)
const advances = fc.oneof(
  fc.constantFrom(999, 1_000, 4_999, 5_000, 8_000, 9_500, 9_999, 10_000, 59_999, 60_000),
  fc.nat({ max: 2 * SECOND }),
  fc.nat({ max: 30 * SECOND }),
  fc.nat({ max: 600 * SECOND }),
  fc.nat({ max: HOUR }),
)
const spread = fc.double({ min: 0, max: 0.999, noNaN: true })
const commands: fc.Arbitrary<Command> = fc.oneof(
  often(8, { do: only('advance'), ms: advances }),
  often(1, { do: only('jump wall'), ms: fc.integer({ min: -24 * HOUR, max: 24 * HOUR }) }),
  often(5, { do: only('answer'), answer: answers, spread }),
  often(4, { do: only('acquire'), callers: fc.integer({ min: 1, max: 5 }) }),
  often(3, { do: only('reject'), nth: fc.nat({ max: 2 }) }),
  often(1, { do: only('change'), nth: fc.nat({ max: 2 }) }),
  often(4, { do: only('peek') }),
  often(1, { do: only('recover') }),
)

const check = (holds: boolean, promise: string): void => {
  if (!holds) throw new Error(promise)
}

/** Time by whichever clock counted more. */
const passed = (from: Instant, to: Instant): number =>
  Math.max(to.monotonic - from.monotonic, to.wall - from.wall)

/** Whole milliseconds, as the timers of Node have them. */
class TimerClock extends ManualClock {
  override schedule(ms: number, task: () => void): () => void {
    return super.schedule(Math.max(1, Math.ceil(ms)), task)
  }
}

/** A token server that answers as the world says at the time of the request. */
class TokenServer implements TokenGrant {
  answer: Answer = { kind: 'grant', seconds: 43_200, after: 0 }
  readonly scripted: ScriptedGrant
  readonly #clock: ManualClock
  constructor(clock: ManualClock) {
    this.#clock = clock
    this.scripted = new ScriptedGrant(clock)
  }

  async request(signal: AbortSignal): Promise<GrantOutcome> {
    const requestedAt = this.#clock.now()
    const outcome = this.scripted.request()
    this.#reply(signal)
    const result = await outcome
    return result.ok ? { ok: true, token: { ...result.token, requestedAt } } : result
  }

  #reply(signal: AbortSignal): void {
    const { answer, scripted } = this
    if (answer.kind === 'grant') this.#grant(answer, signal)
    else if (answer.kind === 'hang') this.#failOn(signal)
    else if (answer.kind === 'deaf') this.#clock.schedule(DEAF_MS, () => scripted.fail())
    else if (answer.kind === 'rejected') scripted.fail({ kind: 'rejected' })
    else if (answer.kind === 'rate_limited') {
      scripted.fail({ kind: 'rate_limited', retryAfter: answer.seconds * SECOND })
    } else scripted.fail({ status: { error: 500, unavailable: 502, garbage: 200 }[answer.kind] })
  }

  #grant({ seconds, after }: { seconds: number; after: number }, signal: AbortSignal): void {
    if (after === 0) return this.scripted.grant(seconds)
    const forget = this.#failOn(signal, () => cancel())
    const cancel = this.#clock.schedule(after, () => {
      forget()
      this.scripted.grant(seconds)
    })
  }

  #failOn(signal: AbortSignal, also = (): void => {}): () => void {
    const fail = (): void => {
      also()
      this.scripted.fail({ reason: 'gave no complete answer in time' })
    }
    signal.addEventListener('abort', fail, { once: true })
    return () => signal.removeEventListener('abort', fail)
  }
}

/** The source, its token servers, its callers, and the promises. */
class World {
  readonly clock = new TimerClock()
  readonly source: CachedTokenSource
  readonly #servers = KEYS.map(() => new TokenServer(this.clock))
  readonly #credentials: readonly Credential[]
  readonly #handedOut: AccessToken[] = []
  readonly #waitingSince = new Set<Instant>()
  #open = 0
  #changing = 0
  #broken: unknown

  constructor(random: () => number) {
    const { clock } = this
    this.#credentials = this.#servers.map((server, key) => ({
      cacheKey: `key-${key}`,
      grant: this.#watched(retryingGrant({ grant: server, clock, random })),
    }))
    const [credential] = this.#credentials as [Credential]
    const options = { credential, clock, random, waitLimit: WAIT_LIMIT_MS }
    this.source = new CachedTokenSource({ ...options, onOutcome: () => {} })
  }

  async run(command: Command): Promise<void> {
    const { clock, source } = this
    if (command.do === 'advance') await clock.advance(command.ms)
    else if (command.do === 'jump wall') clock.jumpWall(command.ms)
    else if (command.do === 'answer') this.#answer(command.answer, command.spread)
    else if (command.do === 'acquire') this.#acquire(command.callers)
    else if (command.do === 'reject') this.#reject(command.nth)
    else if (command.do === 'change') this.#change(command.nth)
    else if (command.do === 'recover') await this.#recover()
    else this.#handOut(source.peek())
    await settle()
    this.#checkAll()
  }

  #answer(answer: Answer, spread: number): void {
    for (const server of this.#servers) {
      server.answer = answer
      server.scripted.spread = spread
    }
  }

  #handOut(token: AccessToken | undefined): void {
    if (token === undefined) return
    check(passed(token.requestedAt, this.clock.now()) < token.lifetime, 'no expired token')
    this.#handedOut.push(token)
  }

  #acquire(callers: number): void {
    for (let caller = 0; caller < callers; caller += 1) {
      const ask = async (): Promise<void> => {
        const token = await this.#waitFor()
        if (token === undefined) this.#checkWithheld()
        else this.#handOut(token)
      }
      ask().catch((error: unknown) => (this.#broken ??= error))
    }
  }

  async #waitFor(refusal?: Refusal): Promise<AccessToken | undefined> {
    const since = this.clock.now()
    this.#waitingSince.add(since)
    const outcome = await this.source.acquire(undefined, refusal)
    this.#waitingSince.delete(since)
    const waited = this.clock.now().monotonic - since.monotonic
    check(waited <= WAIT_LIMIT_MS, 'nobody waits longer than the limit')
    return outcome.ok ? outcome.token : undefined
  }

  #checkWithheld(): void {
    const { secondsLeft } = this.source.state()
    check(secondsLeft === 0, 'no token is withheld that has not expired')
  }

  /** A request that meets nothing but 401. @param nth of the tokens in use lately */
  #reject(nth: number): void {
    this.#handOut(this.source.peek())
    const token = this.#handedOut.at(-1 - nth)
    if (token === undefined) return
    const before = this.source.state()
    const first = this.source.reject(token, `/${nth}`)
    const { freshness } = this.source.state()
    check((before.freshness === 'none') === (freshness === 'none'), 'a 401 takes nobody a token')
    const goOn = async (): Promise<void> => {
      for (let refusal = first; refusal.isCurable;) {
        const next = await this.#waitFor(refusal)
        if (next === undefined) return
        check(!refusal.tokens.includes(next), 'no token is tried twice')
        this.#handOut(next)
        refusal = this.source.reject(next, `/${nth}`, refusal)
        check(refusal.tokens.length <= MAX_TOKENS, 'a bounded number of tries')
      }
    }
    goOn().catch((error: unknown) => (this.#broken ??= error))
  }

  #change(nth: number): void {
    const change = async (): Promise<void> => {
      this.#changing += 1
      await this.source.replaceCredential(this.#credentials[nth] as Credential)
      this.#changing -= 1
    }
    change().catch((error: unknown) => (this.#broken ??= error))
  }

  async #recover(): Promise<void> {
    this.#answer({ kind: 'grant', seconds: 43_200, after: 0 }, 0.5)
    for (let time = 0; time < RECOVERY_MS; time += 5 * SECOND) {
      this.#handOut(this.source.peek())
      await this.clock.advance(5 * SECOND)
    }
    const { freshness } = this.source.state()
    check(freshness === 'fresh' || freshness === 'soft', 'a good token server ends every outage')
    check(this.clock.pending <= 1, 'nothing but the renewal is armed in quiet times')
  }

  /** A grant that notes when the source asks for a token. */
  #watched(grant: TokenGrant): TokenGrant {
    let open = 0
    let startedAt: Instant | undefined
    return {
      request: async (signal) => {
        const now = this.clock.now()
        const early = startedAt !== undefined && passed(startedAt, now) < MIN_GAP_MS
        if (open > 0) this.#broken ??= new Error('one fetch in flight')
        if (early) this.#broken ??= new Error('a second between two fetches')
        startedAt = now
        open += 1
        this.#open += 1
        const outcome = await grant.request(signal)
        open -= 1
        this.#open -= 1
        return outcome
      },
    }
  }

  #checkAll(): void {
    if (this.#broken !== undefined) throw this.#broken
    const { monotonic } = this.clock.now()
    const late = [...this.#waitingSince].some(
      (since) => monotonic - since.monotonic > WAIT_LIMIT_MS,
    )
    check(!late, 'nobody waits for ever')
    const { waiters } = this.source.state()
    check(waiters <= this.#waitingSince.size, 'waiters are those who wait')
    const fetches = this.#open + this.#changing
    // The renewal, and a fetch per key that still keeps its distance from the last one.
    const quiet = 1 + KEYS.length
    check(this.clock.pending <= quiet + waiters + 3 * fetches, 'no timer is left behind')
  }
}

/** A small generator (mulberry32), so that jitter repeats with the seed. */
const createRandom = (seed: number) => {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

t.test('the promises about tokens hold in every order of events', async (t) => {
  t.comment(`SEED=${SEED}`)
  const script = fc.array(commands, { minLength: 1, maxLength: 60, size: 'max' })
  const property = fc.asyncProperty(script, fc.integer(), async (steps, seed) => {
    const world = new World(createRandom(seed))
    world.source.start()
    for (const command of steps) await world.run(command)
    await world.run({ do: 'recover' })
    world.source.stop()
  })
  await t.resolves(
    fc.assert(property, { seed: SEED, numRuns: RUNS, interruptAfterTimeLimit: 25_000 }),
  )
})
