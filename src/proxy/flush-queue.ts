/**
 * When a response goes out: at the ends of turns of the event loop (decision 0017). Node reads from all
 * connections that have something, and only then comes to what waits for the end of the turn. One
 * process that is woken up for many responses, and a loop that goes round less often, cost less than
 * each of them sent as it comes.
 */
import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { ResponseWriter } from './response-writer.ts'

/** What has something to do at the end of a turn. Must not throw: others wait behind it. */
interface Queued {
  endOfTurn(): void
}

export class FlushQueue {
  #queued: Queued[] = []
  #hasWaited = false

  /**
   * Once, after everything that has arrived by now; from the end of a turn on, in the next one. Where
   * there are others, one more turn is waited for, because then there are still more of them soon, and
   * requests to the API, which go out at the ends of turns as well, get there first.
   */
  add(queued: Queued): void {
    if (this.#queued.push(queued) === 1) setImmediate(this.#end)
  }

  readonly #end = (): void => {
    const queued = this.#queued
    this.#hasWaited = queued.length > 1 && !this.#hasWaited
    if (this.#hasWaited) {
      setImmediate(this.#end)
      return
    }
    this.#queued = []
    for (const each of queued) each.endOfTurn()
  }
}

/** Whoever has a response sent. */
export interface Sender {
  /** It cannot be sent. */
  onFailure(error: Error): void
  /** All of it is on its way, but the caller has not taken it yet. */
  onUntaken(): void
}

/** One response on its way through its writer. */
export class QueuedResponse implements Queued {
  readonly #queue: FlushQueue
  readonly #writer: ResponseWriter
  readonly #response: ServerResponse
  readonly #sender: Sender
  #isComplete = false
  #isCancelled = false
  /** The end of a turn is waited for. */
  #isDue = false
  /** The caller's connection, as long as what is written to it is held back. */
  #corked: Socket | undefined
  /** Bytes of the body. */
  #gathered = 0
  /** Turns that the head still waits for what comes behind it. */
  #patience = HEAD_TURNS

  constructor(queue: FlushQueue, writer: ResponseWriter, response: ServerResponse, sender: Sender) {
    this.#queue = queue
    this.#writer = writer
    this.#response = response
    this.#sender = sender
    this.#await()
  }

  get status(): number {
    return this.#writer.status
  }

  /** @returns whether more is welcome */
  write(chunk: Buffer): boolean {
    this.#gathered += chunk.length
    if (this.#gathered > MAX_GATHERED_BYTES) {
      this.#uncork()
      return this.#writer.write(chunk)
    }
    this.#cork()
    this.#writer.write(chunk)
    return true
  }

  /** All of the response is there. */
  complete(): void {
    this.#isComplete = true
    this.#await()
  }

  /** What has not been sent will not be sent any more. */
  cancel(): void {
    this.#isCancelled = true
    this.#writer.drop()
  }

  endOfTurn(): void {
    this.#isDue = false
    try {
      if (!this.#isCancelled) this.#proceed()
    } catch (error) {
      this.#sender.onFailure(error as Error)
    }
    this.#uncork()
  }

  #proceed(): void {
    if (this.#isComplete) this.#end()
    else if (this.#patience === 0) this.#writer.flush()
    else {
      this.#patience -= 1
      this.#await()
    }
  }

  #end(): void {
    this.#writer.end()
    if (this.#response.writableLength > 0) this.#sender.onUntaken()
  }

  #cork(): void {
    if (this.#corked !== undefined) return
    // There is none as long as answers to earlier requests of the connection are under way.
    this.#corked = this.#response.socket ?? undefined
    this.#corked?.cork()
    this.#await()
  }

  #uncork(): void {
    this.#corked?.uncork()
    this.#corked = undefined
  }

  #await(): void {
    if (this.#isDue) return
    this.#isDue = true
    this.#queue.add(this)
  }
}

/**
 * A caller is told soon that the API has begun to answer, but a body that is broken from its first byte
 * on shows when its socket has closed, which is in the next turn.
 */
const HEAD_TURNS = 1

/**
 * So much of a response goes out at the ends of turns, with fewer system calls. The rest is sent as it
 * comes, so that the caller reads while the API writes.
 */
const MAX_GATHERED_BYTES = 128 * 1024
