/** A steady stream of requests, whatever becomes of them, and what each of their callers saw. */
import http from 'node:http'
import { call, read, write, type Call } from '../fixtures/caller.ts'
import type { Random } from '../fixtures/random.ts'

export interface LoadOptions {
  readonly port: number
  readonly perSecond: number
  readonly random: Random
}

export class Load {
  readonly calls: Call[] = []
  readonly #options: LoadOptions
  readonly #agent = new http.Agent({ keepAlive: true })
  readonly #pending = new Set<Promise<unknown>>()
  readonly #startedAt = performance.now()
  #made = 0
  #timer: ReturnType<typeof setTimeout> | undefined

  constructor(options: LoadOptions) {
    this.#options = options
    this.#schedule()
  }

  /** Resolves when the last call is over. */
  async stop(): Promise<void> {
    clearTimeout(this.#timer)
    await Promise.all(this.#pending)
    this.#agent.destroy()
  }

  /** By the clock and not by the previous call, so that a pause of this process loses none. */
  #schedule(): void {
    const { perSecond, random } = this.#options
    const dueAt = this.#startedAt + ((this.#made + random()) * 1000) / perSecond
    this.#timer = setTimeout(
      () => {
        this.#start()
        this.#schedule()
      },
      Math.max(0, dueAt - performance.now()),
    )
  }

  /** 70 % GET, 10 % HEAD and OPTIONS, 20 % POST and PATCH. */
  #start(): void {
    this.#made += 1
    const chance = this.#options.random()
    const id = `${chance < 0.8 ? 'r' : 'w'}${this.#made}`
    const plan =
      chance < 0.8
        ? read(id, chance < 0.7 ? 'GET' : chance < 0.75 ? 'HEAD' : 'OPTIONS')
        : write(id, chance < 0.9 ? 'POST' : 'PATCH')
    const made = call({ port: this.#options.port, agent: this.#agent }, id, plan).then((seen) =>
      this.calls.push(seen),
    )
    this.#pending.add(made)
    void made.finally(() => this.#pending.delete(made))
  }
}
