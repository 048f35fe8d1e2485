/**
 * SKP_MIN_RATE: how fast a caller has to send its body, and to take its response. Time counts against
 * a caller only while it is the one that is waited for: bytes lie ready for it, or it owes bytes that
 * are being read. Whatever the API takes its time for counts against nobody.
 */
import type { Clock } from '../clock.ts'
import type { Failure } from '../errors.ts'
import type { Call } from './request-context.ts'

interface PaceOptions {
  readonly clock: Clock
  /** Bytes a second; 0: any pace will do. */
  readonly minRate: number
  /** Told of each caller that is too slow, before it is cut off. */
  readonly onSlow: (call: Call, what: Due) => void
}

/** What a caller has to do: send its body, or take its response. */
type Due = 'send' | 'take'

/** One tick of the clock for all callers that are watched. */
export class CallerPace {
  readonly #options: PaceOptions
  readonly #callers = new Set<Caller>()
  #isTicking = false

  constructor(options: PaceOptions) {
    this.#options = options
  }

  /**
   * @param onSlow told once
   * @returns ends the watch
   */
  watch(call: Call, onSlow: (failure: Failure) => void): () => void {
    if (this.#options.minRate === 0) return () => {}
    const caller: Caller = { call, onSlow, due: undefined, moved: 0, credit: 0 }
    this.#callers.add(caller)
    this.#await()
    return () => void this.#callers.delete(caller)
  }

  #await(): void {
    if (this.#isTicking) return
    this.#isTicking = true
    this.#options.clock.schedule(TICK_MS, this.#tick, { background: true })
  }

  readonly #tick = (): void => {
    this.#isTicking = false
    const { minRate, onSlow } = this.#options
    for (const caller of this.#callers) {
      if (keepsUp(caller, minRate)) continue
      this.#callers.delete(caller)
      onSlow(caller.call, caller.due as Due)
      caller.onSlow({ code: 'caller_timeout', detail: `SKP_MIN_RATE=${minRate}B.` })
    }
    if (this.#callers.size > 0) this.#await()
  }
}

interface Caller {
  readonly call: Call
  readonly onSlow: (failure: Failure) => void
  /** At the last tick; `undefined`: nothing. */
  due: Due | undefined
  /** Bytes so far. */
  moved: number
  /** Bytes by which it may still fall behind. */
  credit: number
}

/** A tick is a second however late it comes: while the process was busy, nobody could send or take. */
const TICK_MS = 1_000

/** In seconds. */
const AVERAGED_OVER = 30

/**
 * A send buffer of the system may have so much, and takes more only when a good part of it is free again:
 * until then a caller that reads looks like one that does not. So what it took before stands it in good
 * stead, up to this size.
 */
const SEND_BUFFER_BYTES = 4 * 1024 * 1024

const keepsUp = (caller: Caller, minRate: number): boolean => {
  const { call, due: before } = caller
  const due = dueOf(call)
  const moved = due === 'send' ? call.request.socket.bytesRead : taken(call)
  const leeway = minRate * AVERAGED_OVER
  if (due !== before) caller.credit = due === 'take' ? leeway + call.context.responseBytes : leeway
  else caller.credit += moved - caller.moved - minRate
  caller.credit = Math.min(caller.credit, due === 'take' ? leeway + SEND_BUFFER_BYTES : leeway)
  caller.due = due
  caller.moved = moved
  return due === undefined || caller.credit >= 0
}

const dueOf = ({ request, response }: Call): Due | undefined => {
  const { socket, writableLength } = response
  // Neither behind another response of the connection, nor held back to the end of a turn.
  if (socket !== null && writableLength > 0 && socket.writableCorked === 0) return 'take'
  if (request.complete || request.readableEnded) return undefined
  // A body is paused while the API takes no more of it.
  return request.isPaused() ? undefined : 'send'
}

const taken = ({ response, context }: Call): number =>
  context.responseBytes - response.writableLength
