/**
 * Server-sent events (WHATWG HTML §9.2) to whoever looks. One sampler for all of them runs only while
 * there is one. Everything is bounded: listeners, history, and what a slow listener leaves unread.
 */
import type { ServerResponse } from 'node:http'
import type { Clock } from '../clock.ts'
import { statusOf, type ConsoleViews } from './console-status.ts'
import { RequestRecorder, type RequestWatch, type SecondSummary } from './request-recorder.ts'

export interface LiveFeedOptions {
  readonly views: ConsoleViews
  readonly watch: RequestWatch
  readonly clock: Clock
  /** Cuts known secrets out, as a last defence. */
  readonly redact: (text: string) => string
}

export class LiveFeed {
  readonly #options: LiveFeedOptions
  readonly #listeners = new Set<Listener>()
  #history: Sample[] = []
  #lastTold = 0
  #cancel: (() => void) | undefined

  constructor(options: LiveFeedOptions) {
    this.#options = options
  }

  get isFull(): boolean {
    return this.#listeners.size >= MAX_LISTENERS
  }

  /** @param listener an answer whose head has been sent; there must be room for it */
  add(listener: Listener): void {
    const { watch, views } = this.#options
    watch.recorder ??= new RequestRecorder()
    this.#listeners.add(listener)
    listener.once('close', () => this.#remove(listener))
    const { program, settings } = views
    listener.write(this.#event('hello', { program, settings: settings() }))
    listener.write(this.#event('update', this.#update(this.#history, 0)))
    if (this.#cancel === undefined) this.#arm()
  }

  /** Lets all listeners go. */
  close(): void {
    for (const listener of this.#listeners) {
      listener.end()
      this.#remove(listener)
    }
  }

  #remove(listener: Listener): void {
    this.#listeners.delete(listener)
    if (this.#listeners.size > 0) return
    this.#cancel?.()
    this.#cancel = undefined
    this.#options.watch.recorder = undefined
    this.#history = []
    this.#lastTold = 0
  }

  #arm(): void {
    this.#cancel = this.#options.clock.schedule(PERIOD_MS, () => this.#tick(), {
      background: true,
    })
  }

  #tick(): void {
    const { watch, views, clock } = this.#options
    const second = (watch.recorder as RequestRecorder).takeSecond()
    const sample = { at: clock.now().wall, second, inFlight: views.inFlight() }
    this.#history = [...this.#history, sample].slice(-MAX_HISTORY)
    const update = this.#update([sample], this.#lastTold)
    this.#lastTold = update.requests.at(-1)?.id ?? this.#lastTold
    const event = this.#event('update', update)
    this.#arm()
    for (const listener of this.#listeners) {
      if (listener.writableLength > MAX_UNREAD_BYTES) listener.destroy()
      else listener.write(event)
    }
  }

  #update(samples: readonly Sample[], since: number) {
    const { watch, views } = this.#options
    return {
      ...statusOf(views, watch.problems()),
      samples,
      // Those of the second that has begun come with its end.
      requests: (watch.recorder as RequestRecorder).since(since),
    }
  }

  #event(name: string, data: unknown): string {
    return `event: ${name}\ndata: ${this.#options.redact(JSON.stringify(data))}\n\n`
  }
}

type Listener = Pick<ServerResponse, 'write' | 'end' | 'destroy' | 'once' | 'writableLength'>

/** What one second had, and the requests in flight at its end. */
interface Sample {
  /** Wall ms. */
  readonly at: number
  readonly second: SecondSummary
  readonly inFlight: number
}

const MAX_LISTENERS = 10

const PERIOD_MS = 1_000

/** Five minutes. */
const MAX_HISTORY = 300

/** A listener that has left so much unread is let go. */
const MAX_UNREAD_BYTES = 1_048_576
