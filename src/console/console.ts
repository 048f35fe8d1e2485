/** The console page: its files and its stream of events. Loaded when somebody looks for the first time. */
import type { ServerResponse } from 'node:http'
import { LiveFeed, type LiveFeedOptions } from './live-feed.ts'
import { pageFiles } from './page-files.ts'

export interface Console {
  /** @returns whether there is something at the path; if not, nothing has been sent */
  answer(path: string, response: ServerResponse): boolean
  /** Ends every stream. */
  close(): void
}

export const createConsole = (options: LiveFeedOptions): Console => {
  const feed = new LiveFeed(options)
  const files = new Map(Object.entries(pageFiles()))
  return {
    answer(path, response) {
      if (path === '/console/events') {
        openFeed(feed, response)
        return true
      }
      const name = path === '/' ? 'index.html' : path.replace(/^\/console\//, '')
      const text = files.get(name)
      if (text === undefined) return false
      const type = TYPES[name.slice(name.lastIndexOf('.') + 1)] as string
      response.writeHead(200, { ...HEADERS, 'content-type': type })
      response.end(text)
      return true
    },
    close: () => feed.close(),
  }
}

/* FOLDED: All of the console that is there from the start: it loads the rest when somebody knocks. */

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

const openFeed = (feed: LiveFeed, response: ServerResponse): void => {
  if (feed.isFull) return sendFull(response)
  // An EventSource tries again by itself after the time of `retry`.
  response.writeHead(200, { ...HEADERS, 'content-type': 'text/event-stream' })
  response.write('retry: 2000\n\n')
  feed.add(response)
}

const TYPES: Readonly<Record<string, string>> = {
  html: 'text/html; charset=utf-8',
  css: 'text/css; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  json: 'application/json; charset=utf-8',
  svg: 'image/svg+xml',
}

const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ')

const HEADERS = {
  'cache-control': 'no-store',
  'content-security-policy': POLICY,
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
}

const sendFull = (response: ServerResponse): void => {
  response.writeHead(503, { ...HEADERS, 'retry-after': '10', 'content-type': 'text/plain' })
  response.end('Too many pages are open.')
}
