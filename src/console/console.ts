/**
 * The console page and its stream of events, on the admin port. Its files are read when somebody looks
 * for the first time; who may look is the admin server's business.
 */
import type { ServerResponse } from 'node:http'
import { LiveFeed, type LiveFeedOptions } from './live-feed.ts'

export class Console {
  readonly #feed: LiveFeed
  #files: Promise<ReadonlyMap<string, string>> | undefined
  #closed = false

  constructor(options: LiveFeedOptions) {
    this.#feed = new LiveFeed(options)
  }

  /**
   * @returns whether there is something at the path; if not, nothing has been sent
   * @throws if the page cannot be read
   */
  async answer(path: string, response: ServerResponse): Promise<boolean> {
    if (this.#closed) return false
    if (path === '/console/events') {
      openStream(this.#feed, response)
      return true
    }
    this.#files ??= readFiles()
    const name = path === '/' ? 'index.html' : path.replace(/^\/console\//, '')
    const text = (await this.#files).get(name)
    if (text === undefined) return false
    const type = TYPES[name.slice(name.lastIndexOf('.') + 1)] as string
    response.writeHead(200, { ...HEADERS, 'content-type': type }).end(text)
    return true
  }

  /** Ends every stream, so that nothing holds up the end of the program. */
  close(): void {
    this.#closed = true
    this.#feed.close()
  }
}

const openStream = (feed: LiveFeed, response: ServerResponse): void => {
  if (feed.isFull) {
    response.writeHead(503, { ...HEADERS, 'retry-after': '10', 'content-type': 'text/plain' })
    response.end('Too many pages are open.')
    return
  }
  // An EventSource tries again by itself after the time of `retry`.
  response.writeHead(200, { ...HEADERS, 'content-type': 'text/event-stream' })
  response.write('retry: 2000\n\n')
  feed.add(response)
}

const readFiles = async (): Promise<ReadonlyMap<string, string>> => {
  const { pageFiles } = await import('./page-files.ts')
  return new Map(Object.entries(pageFiles()))
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
