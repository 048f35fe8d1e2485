/** The faults of a soak, in turns, and which outcomes each of them excuses. */
import { setTimeout as sleep } from 'node:timers/promises'
import { usableUntil, type GrantBook } from '../drill/grants.ts'
import type { TokenScript } from '../drill/phases.ts'
import type { TokenServer } from '../drill/token-server.ts'

export type ApiScript = 'serves' | 'fails' | 'flaps' | 'hangs'

export interface Fault {
  readonly name: string
  readonly seconds: number
  readonly tokens?: TokenScript
  readonly api?: ApiScript
  readonly does?: 'rotate' | 'revoke'
  /** Outcomes of any request; see `outcomeOf`. */
  readonly all?: readonly string[]
  /** Beside those, of requests that write. */
  readonly writes?: readonly string[]
}

/** A stretch of time with one fault, or none. Monotonic ms. */
export interface Stretch {
  readonly fault: Fault
  readonly startedAt: number
  endedAt: number
}

/** Nothing excuses a refusal for want of a token while a usable one exists. */
export const FAULTS: readonly Fault[] = [
  { name: 'key rotated', seconds: 4, does: 'rotate' },
  { name: 'API answers 5xx', seconds: 3, api: 'fails', all: ['api 500', 'api 503'] },
  { name: 'token server 500', seconds: 4, tokens: 'fails', all: ['token_unavailable'] },
  // What becomes of a write on a connection that breaks nobody knows.
  { name: 'API resets', seconds: 3, api: 'flaps', writes: ['upstream_reset', 'incomplete'] },
  { name: 'token server down', seconds: 4, tokens: 'down', all: ['token_unavailable'] },
  // Not soon after a rotation: then the proxy holds two tokens, and a read is sent again but once.
  { name: 'API revokes tokens', seconds: 3, does: 'revoke', writes: ['token_refreshed_retry'] },
  { name: 'API hangs', seconds: 3, api: 'hangs' },
  { name: 'token server 429', seconds: 4, tokens: 'limits', all: ['token_rate_limited'] },
  { name: 'token server hangs', seconds: 4, tokens: 'hangs', all: ['token_unavailable'] },
  { name: 'token server slow', seconds: 4, tokens: 'slow' },
]

export const CALM = 'calm'
const CALM_MS = 2_500
/** Soft point at 9 s, hard one at 15 s: a fault of the token server is over before callers notice. */
export const LIFETIME_S = 20
const RECOVERY_LIMIT_MS = 35_000
const POLL_MS = 50

export interface CourseOptions {
  readonly grants: GrantBook
  readonly tokenServer: TokenServer
  readonly api: { follow: (script: ApiScript) => void }
  readonly rotate: () => Promise<void>
  readonly isRunning: () => boolean
  readonly onStretch: (name: string) => void
  /** Gets every stretch when it begins. */
  readonly stretches: Stretch[]
}

export class Course {
  /** Faults of the token server after which no new token came. */
  readonly stuck: string[] = []
  readonly #options: CourseOptions

  constructor(options: CourseOptions) {
    this.#options = options
  }

  /** Fault after fault until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    for (let i = 0; !signal.aborted && this.#options.isRunning(); i += 1) {
      const fault = FAULTS[i % FAULTS.length] as Fault
      await this.#calm(CALM_MS, signal)
      if (!signal.aborted) await this.#suffer(fault, signal)
    }
    this.end()
  }

  end(): void {
    const last = this.#options.stretches.at(-1)
    if (last !== undefined) last.endedAt = Math.min(last.endedAt, performance.now())
  }

  async #suffer(fault: Fault, signal: AbortSignal): Promise<void> {
    const { grants, tokenServer, api, rotate } = this.#options
    this.#begin(fault)
    await tokenServer.follow(fault.tokens ?? 'grants', LIFETIME_S)
    api.follow(fault.api ?? 'serves')
    if (fault.does === 'revoke') grants.revokeAll()
    const until = performance.now() + fault.seconds * 1000
    if (fault.does === 'rotate') await rotate()
    await sleep(Math.max(0, until - performance.now()), undefined, { signal }).catch(() => {})
    await tokenServer.follow('grants', LIFETIME_S)
    api.follow('serves')
    if (fault.tokens !== undefined) await this.#recover(fault)
  }

  async #calm(ms: number, signal: AbortSignal): Promise<void> {
    this.#begin({ name: CALM, seconds: ms / 1000 })
    await sleep(ms, undefined, { signal }).catch(() => {})
  }

  /** What a fault excuses it excuses until there is a token again. */
  async #recover({ name }: Fault): Promise<void> {
    const mendedAt = performance.now()
    const isWell = (): boolean => {
      const token = this.#options.grants.latest
      const now = performance.now()
      // Far from the soft point the proxy has no reason to ask.
      const isFresh = token !== undefined && now < token.askedAt + token.lifetime * 0.4
      return (
        token !== undefined && (token.grantedAt > mendedAt || isFresh) && now < usableUntil(token)
      )
    }
    while (this.#options.isRunning() && !isWell()) {
      if (performance.now() > mendedAt + RECOVERY_LIMIT_MS) {
        this.stuck.push(name)
        return
      }
      await sleep(POLL_MS)
    }
  }

  #begin(fault: Fault): void {
    this.end()
    this.#options.stretches.push({ fault, startedAt: performance.now(), endedAt: Infinity })
    this.#options.onStretch(fault.name)
  }
}
