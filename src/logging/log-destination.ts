/**
 * Where log lines go: collected and written together, because a write for each request costs more
 * than everything else about its line. Nothing is lost at a stop or a crash; only a kill from outside
 * takes the last moment with it. A reader that is slow, gone or stuck never holds up the proxy: pino's
 * own destination would wait for ever at the end when its file is full or its pipe is broken.
 */
import type { Writable } from 'node:stream'
import { within, type Clock } from '../clock.ts'

export class BatchedDestination {
  readonly #stream: Writable
  readonly #clock: Clock
  #batch = ''
  #armed = false

  /** @param stream as of a file or a pipe; its errors are swallowed from now on */
  constructor(stream: Writable, clock: Clock) {
    this.#stream = stream
    this.#clock = clock
    stream.on('error', () => {})
  }

  write(line: string): void {
    this.#batch += line
    if (this.#batch.length >= BATCH_LENGTH) return this.flushSync()
    if (this.#armed) return
    this.#armed = true
    this.#clock.schedule(MAX_DELAY_MS, () => {
      this.#armed = false
      this.flushSync()
    })
  }

  /** Hands over what is waiting; pino calls it after a fatal line. */
  flushSync(): void {
    const batch = this.#batch
    this.#batch = ''
    const isRead = this.#stream.writableLength < MAX_WAITING_BYTES
    if (batch !== '' && isRead) this.#stream.write(batch)
  }

  /** Resolves when what was waiting is out of the process, or will not be. Never rejects. */
  async flush(): Promise<void> {
    this.flushSync()
    const written = new Promise<void>((resolve) => {
      this.#stream.write('', () => resolve())
    })
    await within(this.#clock, FLUSH_LIMIT_MS, [], written)
  }
}

/** A write happens when so much has come together, */
const BATCH_LENGTH = 32_768

/** or when the oldest line is so old. */
const MAX_DELAY_MS = 100

/** If nobody reads, lines are dropped from here on: logging must not take the memory. */
const MAX_WAITING_BYTES = 16 * 1024 * 1024

/** How long the end waits for the reader. */
const FLUSH_LIMIT_MS = 2_000
