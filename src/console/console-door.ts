/** All of the console that is there from the start: it loads the rest when somebody knocks. */
import type { ServerResponse } from 'node:http'
import type { Console } from './console.ts'
import type { LiveFeedOptions } from './live-feed.ts'

export class ConsoleDoor {
  readonly #options: LiveFeedOptions
  #opening: Promise<Console> | undefined
  #closed = false

  constructor(options: LiveFeedOptions) {
    this.#options = options
  }

  /**
   * @returns whether there is something at the path; if not, nothing has been sent
   * @throws if the page cannot be loaded
   */
  async answer(path: string, response: ServerResponse): Promise<boolean> {
    this.#opening ??= import('./console.ts').then(({ createConsole }) =>
      createConsole(this.#options),
    )
    const console = await this.#opening
    return !this.#closed && console.answer(path, response)
  }

  /** Ends every stream, so that nothing holds up the end of the program. */
  async close(): Promise<void> {
    this.#closed = true
    const console = await this.#opening
    console?.close()
  }
}
