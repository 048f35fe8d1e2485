/** Leads both servers through the phases; a fault begins when the proxy is in the state it is for. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Api } from './api.ts'
import { usableUntil, type GrantBook } from './grants.ts'
import type { Phase } from './phases.ts'
import type { Proxy } from './proxy.ts'
import type { Allowance, Segment } from './record.ts'
import type { TokenServer } from './token-server.ts'

export interface Parts {
  readonly grants: GrantBook
  readonly tokenServer: TokenServer
  readonly api: Api
}

const BETWEEN = 'in between'
const POLL_MS = 20
/** More than the longest pause between two tries of the proxy. */
const RECOVERY_LIMIT_MS = 35_000
/** The proxy lets a rejection force a new token every 10 s at most. */
const REVOCATION_GAP_MS = 10_500
/** A token older than that by a second is not the one to begin a fault with. */
const AGE_WINDOW_MS = 1_000
const NOTHING: Allowance = { all: [], writes: [] }

export interface ConductorOptions {
  readonly parts: Parts
  readonly proxy: Proxy
  readonly onSegment: (segment: Segment) => void
}

export class Conductor {
  readonly segments: Segment[] = []
  readonly stuck: string[] = []
  readonly #options: ConductorOptions
  #excused = NOTHING
  #revokedAt = -Infinity
  /** When the last fault of the token server ended: older tokens do not show that it is known. */
  #mendedAt = -Infinity

  constructor(options: ConductorOptions) {
    this.#options = options
  }

  async conduct(phase: Phase): Promise<void> {
    const { tokenServer, api, grants } = this.#options.parts
    await tokenServer.follow('grants', phase.lifetime)
    api.follow('serves')
    this.#begin(BETWEEN, this.#excused)
    await this.#untilReady(phase)
    this.#begin(phase.name, phase.allows)
    await tokenServer.follow(phase.tokens, phase.lifetime)
    api.follow(phase.api)
    if (phase.revokes === true) {
      grants.revokeAll()
      this.#revokedAt = performance.now()
    }
    await sleep(phase.seconds * 1000)
    this.#excused = phase.allows
    if (phase.tokens !== 'grants') this.#mendedAt = performance.now()
  }

  end(): void {
    const last = this.segments.at(-1)
    if (last !== undefined) last.endedAt = performance.now()
  }

  #begin(name: string, allows: Allowance): void {
    this.end()
    const segment = { name, startedAt: performance.now(), endedAt: Infinity, allows }
    this.segments.push(segment)
    this.#options.onSegment(segment)
  }

  async #untilReady(phase: Phase): Promise<void> {
    const until = performance.now() + RECOVERY_LIMIT_MS
    while (this.#options.proxy.isRunning() && !this.#isReady(phase)) {
      if (performance.now() > until) {
        this.stuck.push(phase.name)
        return
      }
      // oxlint-disable-next-line no-await-in-loop -- waits for time to pass
      await sleep(POLL_MS)
    }
  }

  /** The proxy has a token of the right age, and none is on its way. */
  #isReady({ tokenAge, lifetime, revokes }: Phase): boolean {
    const { tokenServer, grants } = this.#options.parts
    const token = grants.latest
    const now = performance.now()
    if (token === undefined || usableUntil(token) < now || !tokenServer.isQuiet()) return false
    if (token.grantedAt < this.#mendedAt) return false
    if (revokes === true && now < this.#revokedAt + REVOCATION_GAP_MS) return false
    if (tokenAge === undefined) return true
    const excess = now - token.askedAt - tokenAge * 1000
    return token.lifetime === lifetime * 1000 && excess >= 0 && excess < AGE_WINDOW_MS
  }
}
