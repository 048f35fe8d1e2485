/**
 * Connections to the API: verified TLS, limits on every wait, bounded age. Nothing here knows
 * how tokens live, or about callers.
 */
import { subscribe } from 'node:diagnostics_channel'
import type { Socket } from 'node:net'
import { Client, type Dispatcher, errors } from 'undici'
import type { Clock } from '../clock.ts'
import type { OutboundProxy } from '../outbound/proxy-environment.ts'
import { connectThrough } from '../outbound/tunnel.ts'

/** A dispatch handler that wants to know whether its connection had served before. */
export interface ConnectionAware extends Dispatcher.DispatchHandler {
  connection: UpstreamConnection
  /** @param controller none for what has not been sent */
  onResponseError(controller: unknown, error: Error): void
}

/** One connection of the pool, which counts what it has served since it was opened. */
export class UpstreamConnection extends Client {
  /** Answers received on the current socket. */
  served = 0
  /** Interim answers (1xx) to the current request. */
  interim = 0
  /** Nothing is under way on it. */
  isFree = false

  #isOld = false

  /** @param maxAge in ms; what is sent later than that closes the connection behind it */
  constructor(origin: URL, options: object, maxAge: number) {
    super(origin, options)
    let aging: NodeJS.Timeout | undefined
    this.on('connect', () => {
      this.served = 0
      this.#isOld = false
      aging = setTimeout(() => (this.#isOld = true), maxAge).unref()
    })
    this.on('disconnect', () => clearTimeout(aging))
  }

  override dispatch(options: UpstreamRequest, handler: ConnectionAware): boolean {
    handler.connection = this
    this.interim = 0
    const last = this.#isOld
    this.#isOld = false
    return withTrustedHeaders(options.trusted, () =>
      super.dispatch(last ? { ...options, reset: true } : options, handler),
    )
  }
}

/** What forwarding needs of the connections to the API. */
export interface Upstream {
  /** @returns leaves the queue, where no connection is free and the request has to wait for one */
  dispatch(options: UpstreamRequest, handler: ConnectionAware): (() => void) | undefined
  /** For a second try: the other kept connections may be as dead as the first. */
  dispatchOnNewConnection(options: UpstreamRequest, handler: ConnectionAware): void
}

interface UpstreamOptions {
  /** Scheme, host and port of the base URL. */
  readonly origin: string
  /** PEM certificates to trust; `undefined`: those of Node. */
  readonly ca: readonly string[] | undefined
  /** On the way to the API; `undefined`: there is none. */
  readonly proxy: OutboundProxy | undefined
  readonly connections: number
  readonly clock: Clock
  /** All in ms. */
  readonly queueTimeout: number
  readonly connectTimeout: number
  readonly responseTimeout: number
  readonly idleTimeout: number
  /** Bytes of an answer's head at most. */
  readonly maxHeaderSize: number
  /** A connection is replaced after this time, so that a DNS change is noticed. Default: 10 min. */
  readonly connectionAge?: number
}

/**
 * The connection used last is used next: what it needs is warm, and those that a burst has left behind
 * come to their end. undici's own pool looks through all of them, twice for each request.
 */
export class UpstreamPool implements Upstream {
  readonly #open: () => UpstreamConnection
  readonly #most: number
  readonly #clock: Clock
  readonly #queueTimeout: number
  readonly #connections: UpstreamConnection[] = []
  readonly #free: UpstreamConnection[] = []
  /** In the order of their arrival. As many as there may be requests in flight, at most. */
  readonly #waiting = new Set<Waiting>()
  #isTimed = false
  /** Takes nothing any more. */
  destroyed = false

  constructor(options: UpstreamOptions) {
    const origin = new URL(options.origin)
    const { connectionAge = CONNECTION_AGE_MS } = options
    this.#open = () => new UpstreamConnection(origin, clientOptions(options), connectionAge)
    this.#most = options.connections
    this.#clock = options.clock
    this.#queueTimeout = options.queueTimeout
  }

  dispatch(options: UpstreamRequest, handler: ConnectionAware): (() => void) | undefined {
    const connection = this.destroyed ? undefined : (this.#free.pop() ?? this.#another())
    if (connection !== undefined) this.#send(connection, { options, handler })
    else if (this.destroyed) refuse(handler)
    else return this.#queue(options, handler)
    return undefined
  }

  dispatchOnNewConnection(options: UpstreamRequest, handler: ConnectionAware): void {
    if (this.destroyed) return refuse(handler)
    const connection = this.#open()
    connection.dispatch(options, handler)
    // Closes once the exchange is over.
    void connection.close()
  }

  /** Ends everything at once, exchanges under way included. */
  async destroy(): Promise<void> {
    this.destroyed = true
    for (const { handler } of this.#waiting) refuse(handler)
    this.#waiting.clear()
    await Promise.all(this.#connections.map((connection) => connection.destroy()))
  }

  #another(): UpstreamConnection | undefined {
    if (this.#connections.length >= this.#most) return undefined
    const connection = this.#open()
    connection.on('drain', () => this.#release(connection))
    this.#connections.push(connection)
    return connection
  }

  #send(connection: UpstreamConnection, { options, handler }: Exchange): void {
    connection.isFree = false
    connection.dispatch(options, handler)
    // What is refused at once, such as a field that undici does not take, is followed by no drain.
    this.#release(connection)
  }

  #release(connection: UpstreamConnection): void {
    if (connection.isFree || connection.stats.size > 0) return
    const [next] = this.#waiting
    if (next !== undefined) {
      this.#waiting.delete(next)
      return this.#send(connection, next)
    }
    connection.isFree = true
    this.#free.push(connection)
  }

  #queue(options: UpstreamRequest, handler: ConnectionAware): () => void {
    const waiting = { options, handler, until: this.#clock.monotonic() + this.#queueTimeout }
    this.#waiting.add(waiting)
    this.#watchQueue()
    return () => void this.#waiting.delete(waiting)
  }

  /** By one timer, for the first: nobody comes to the end of the wait before. */
  #watchQueue(): void {
    const [first] = this.#waiting
    if (first === undefined || this.#isTimed) return
    this.#isTimed = true
    const remaining = Math.max(0, first.until - this.#clock.monotonic())
    this.#clock.schedule(remaining, () => this.#endWaits(), { background: true })
  }

  #endWaits(): void {
    this.#isTimed = false
    const now = this.#clock.monotonic()
    for (const waiting of this.#waiting) {
      if (waiting.until > now) break
      this.#waiting.delete(waiting)
      waiting.handler.onResponseError(undefined, new QueueTimeoutError())
    }
    this.#watchQueue()
  }
}

/**
 * Responses before the response (1xx, RFC 9110 §15.2). They are passed over: 100 was asked for by nobody,
 * and what the others say is of no use to callers of an OData API.
 *
 * @param connection counts them since the request was given to it
 * @param controller told to abort if the API never comes to its answer
 */
export const passOver = (
  connection: { interim: number },
  controller: { abort(reason: Error): void },
): void => {
  connection.interim += 1
  if (connection.interim > MAX_INTERIM_RESPONSES) controller.abort(new EndlessResponseError())
}

/**
 * Takes fields of the proxy's own past undici's check of every field for illegal bytes. They were checked
 * when they were made, and the token has 2 KB: looking through them again for each request says nothing
 * new. undici's channel for new requests lets its listeners add to their fields; it is told of a request
 * while `dispatch` runs, which is how the token meets its own request and no other one.
 *
 * @param fields alternating names and values, known to have no illegal bytes
 * @param dispatch makes one request, before it returns; if it does not, nobody gets the fields
 */
export const withTrustedHeaders = (
  fields: readonly string[] | undefined,
  dispatch: () => boolean,
): boolean => {
  trusted = fields
  try {
    return dispatch()
  } finally {
    trusted = undefined
  }
}

interface UpstreamRequest extends Dispatcher.DispatchOptions {
  /** Alternating names and values beside `headers`, known to have no illegal bytes. */
  readonly trusted?: readonly string[]
}

/** For the request that is made next; nothing comes between. */
let trusted: readonly string[] | undefined

interface Exchange {
  readonly options: UpstreamRequest
  readonly handler: ConnectionAware
}

interface Waiting extends Exchange {
  /** Monotonic ms. */
  readonly until: number
}

/** No connection has become free in time. */
class QueueTimeoutError extends Error {
  readonly code = 'ERR_QUEUE_TIMEOUT'
}

const CONNECTION_AGE_MS = 600_000

const clientOptions = (options: UpstreamOptions): Client.Options => ({
  pipelining: 1,
  allowH2: false,
  connect: connectThrough(options.proxy, {
    rejectUnauthorized: true,
    timeout: options.connectTimeout,
    ...(options.ca === undefined ? {} : { ca: [...options.ca] }),
  }),
  headersTimeout: options.responseTimeout,
  bodyTimeout: options.idleTimeout,
  maxHeaderSize: options.maxHeaderSize,
  keepAliveTimeout: KEEP_ALIVE_MS,
  // A hint of the API may shorten it, not lengthen it.
  keepAliveMaxTimeout: KEEP_ALIVE_MS,
})

const refuse = (handler: ConnectionAware): void =>
  handler.onResponseError(undefined, new errors.ClientDestroyedError())

/**
 * Below the 60 s after which SAP's router closes an idle connection, so that it is the proxy that
 * closes; the API's own `Keep-Alive` hint shortens it further.
 */
const KEEP_ALIVE_MS = 50_000

/** Each of them begins SKP_RESPONSE_TIMEOUT anew. */
const MAX_INTERIM_RESPONSES = 100

class EndlessResponseError extends Error {
  readonly code = 'ERR_ENDLESS_RESPONSE'
}

interface NewRequest {
  /** Alternating names and values. */
  readonly request: { readonly headers: string[] }
}

subscribe('undici:request:create', (message) => {
  if (trusted === undefined) return
  ;(message as NewRequest).request.headers.push(...trusted)
  trusted = undefined
})

/**
 * An API may answer in the middle of an upload and close, such as with 413. The system tells of that at
 * the next write, and a socket that cannot write is destroyed, with the answer in it still unread.
 * Instead, a write that fails never ends: reading does soon, and tells how the exchange has ended.
 */
const readToTheEnd = (socket: Socket): void => {
  /* oxlint-disable no-underscore-dangle -- the names that Node gives to what a stream implements */
  const write = socket._write.bind(socket)
  const writeAll = socket._writev?.bind(socket)
  const unlessFailed = (done: Done): Done => {
    return (error) => {
      if (!error || socket.readableEnded) done(error)
    }
  }
  socket._write = (chunk, encoding, done) => write(chunk, encoding, unlessFailed(done))
  socket._writev = (chunks, done) => writeAll?.(chunks, unlessFailed(done))
  /* oxlint-enable no-underscore-dangle */
}

type Done = (error?: Error | null) => void

interface Connected {
  readonly socket: Socket
}

subscribe('undici:client:connected', (message) => readToTheEnd((message as Connected).socket))
