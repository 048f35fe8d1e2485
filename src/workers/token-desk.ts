/** The primary's side of its workers' token sources: hands out copies, and does what workers ask. */
import { LRUCache } from 'lru-cache'
import type { AccessToken } from '../token/access-token.ts'
import type { CachedTokenSource } from '../token/cached-token-source.ts'
import type { TokenCopy, TokenMessage, WireOutcome, WireToken } from './protocol.ts'

/** What is in use is looked at all the time; beyond it there may be requests under way. */
const MAX_SOURCES = 1_024
const MAX_TOKENS = 1_024

export interface TokenDeskOptions {
  /** Called when something that workers have a copy of may have changed. */
  readonly onChange: () => void
}

export class TokenDesk {
  readonly #options: TokenDeskOptions
  readonly #sources = new LRUCache<number, CachedTokenSource>({ max: MAX_SOURCES })
  readonly #tokens = new LRUCache<number, AccessToken>({ max: MAX_TOKENS })
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
    return this.#last
  }

  /** @param id of a source that was added */
  copyOf(id: number): TokenCopy {
    const { token, renewals } = (this.#sources.get(id) as CachedTokenSource).look()
    return {
      token: token && this.#wire(token),
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
    }
    this.#tokens.set(id, token)
    return { id, value, requestedAt, lifetime, softAge, hardAge }
  }
}
