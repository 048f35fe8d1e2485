/** The primary's side of its workers' token sources: hands out copies, and does what workers ask. */
import type { AccessToken } from '../token/access-token.ts'
import type { CachedTokenSource } from '../token/cached-token-source.ts'
import type { TokenCopy, TokenMessage, WireOutcome, WireToken } from './protocol.ts'

/** The ones in use and those before them, whose requests may be under way. */
const MAX_SOURCES = 64
const MAX_TOKENS = 256

const forgetOldest = (known: Map<number, unknown>, max: number): void => {
  for (const id of known.keys()) {
    if (known.size <= max) return
    known.delete(id)
  }
}

export interface TokenDeskOptions {
  /** Called when something that workers have a copy of may have changed. */
  readonly onChange: () => void
}

export class TokenDesk {
  readonly #options: TokenDeskOptions
  readonly #sources = new Map<number, CachedTokenSource>()
  readonly #tokens = new Map<number, AccessToken>()
  readonly #ids = new WeakMap<AccessToken, number>()
  /** Callers that wait, by worker and their number there. */
  readonly #waiting = new Map<object, Map<number, AbortController>>()
  #last = 0

  constructor(options: TokenDeskOptions) {
    this.#options = options
  }

  /** @returns the number by which workers name it from now on */
  add(source: CachedTokenSource): number {
    this.#last += 1
    this.#sources.set(this.#last, source)
    forgetOldest(this.#sources, MAX_SOURCES)
    return this.#last
  }

  copyOf(source: CachedTokenSource): TokenCopy {
    const { token, spare, renewals } = source.look()
    return {
      token: token && this.#wire(token),
      spare,
      renewableAt: token === undefined ? 0 : renewals.renewableAt(token, token.requestedAt),
      doubted: renewals.isDoubting,
    }
  }

  /**
   * @param worker tells one from another
   * @param answer where the answer to a question goes
   */
  handle(
    worker: object,
    message: TokenMessage,
    answer: (id: number, outcome: WireOutcome) => void,
  ): void {
    if (message.kind === 'leave') return this.#waiting.get(worker)?.get(message.id)?.abort()
    const source = this.#sources.get(message.source)
    if (source === undefined) {
      // So old that nothing should be left of it.
      if (message.kind === 'ask') answer(message.id, { ok: false, failure: { code: 'internal' } })
    } else if (message.kind === 'ask') void this.#ask(worker, message.id, source, answer)
    else this.#tell(source, message)
  }

  /** Nobody waits in a worker that has ended. */
  forget(worker: object): void {
    for (const left of this.#waiting.get(worker)?.values() ?? []) left.abort()
    this.#waiting.delete(worker)
  }

  #tell(
    source: CachedTokenSource,
    message: Exclude<TokenMessage, { kind: 'ask' | 'leave' }>,
  ): void {
    const token = 'token' in message ? this.#tokens.get(message.token) : undefined
    if (message.kind === 'used') source.peek()
    else if (message.kind === 'accepted') source.accept()
    else if (token !== undefined) {
      if (message.kind === 'rejected') source.reject(token)
      else source.refresh(token)
    }
    this.#options.onChange()
  }

  async #ask(
    worker: object,
    id: number,
    source: CachedTokenSource,
    answer: (id: number, outcome: WireOutcome) => void,
  ): Promise<void> {
    const left = new AbortController()
    const waiting = this.#waiting.get(worker) ?? new Map<number, AbortController>()
    this.#waiting.set(worker, waiting.set(id, left))
    const outcome = await source.acquire(left.signal)
    waiting.delete(id)
    this.#options.onChange()
    answer(id, outcome.ok ? { ok: true, token: this.#wire(outcome.token) } : outcome)
  }

  #wire(token: AccessToken): WireToken {
    const { value, requestedAt, lifetime, softAge, hardAge } = token
    let id = this.#ids.get(token)
    if (id === undefined) {
      this.#last += 1
      id = this.#last
      this.#ids.set(token, id)
      this.#tokens.set(id, token)
      forgetOldest(this.#tokens, MAX_TOKENS)
    }
    return { id, value, requestedAt, lifetime, softAge, hardAge }
  }
}
