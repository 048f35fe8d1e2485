/**
 * Connections to the API: verified TLS, limits on every wait, bounded age. Nothing here knows
 * about tokens or callers.
 */
import { Client, Pool, type Dispatcher } from 'undici'
import type { OutboundProxy } from '../outbound-proxy.ts'
import { connectThrough } from '../tunnel.ts'

export interface UpstreamOptions {
  /** Scheme, host and port of the base URL. */
  readonly origin: string
  /** PEM certificates to trust; `undefined`: those of Node. */
  readonly ca: readonly string[] | undefined
  /** On the way to the API; `undefined`: there is none. */
  readonly proxy: OutboundProxy | undefined
  readonly connections: number
  /** All in ms. */
  readonly connectTimeout: number
  readonly responseTimeout: number
  readonly idleTimeout: number
  /** Bytes of an answer's head at most. */
  readonly maxHeaderSize: number
  /** A connection is replaced after this time, so that a DNS change is noticed. Default: 10 min. */
  readonly connectionAge?: number
}

/**
 * Below the 60 s after which SAP's router closes an idle connection, so that it is the proxy that
 * closes; the API's own `Keep-Alive` hint shortens it further.
 */
const KEEP_ALIVE_MS = 50_000

/**
 * Not left to the pool's `clientTtl`: a pool all of whose connections are too old forgets a request
 * until the next one comes.
 */
const CONNECTION_AGE_MS = 600_000

/** A dispatch handler that wants to know whether its connection had served before. */
export interface ConnectionAware extends Dispatcher.DispatchHandler {
  connection: UpstreamConnection
}

/** One connection of the pool, which counts what it has served since it was opened. */
export class UpstreamConnection extends Client {
  /** Answers received on the current socket. */
  served = 0
  /** Interim answers (1xx) to the current request. */
  interim = 0

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

  override dispatch(options: Dispatcher.DispatchOptions, handler: ConnectionAware): boolean {
    handler.connection = this
    this.interim = 0
    const last = this.#isOld
    this.#isOld = false
    return super.dispatch(last ? { ...options, reset: true } : options, handler)
  }
}

/** What forwarding needs of the connections to the API. */
export interface Upstream {
  dispatch(options: Dispatcher.DispatchOptions, handler: ConnectionAware): void
  /** For a second try: the other kept connections may be as dead as the first. */
  dispatchOnNewConnection(options: Dispatcher.DispatchOptions, handler: ConnectionAware): void
}

export class UpstreamPool extends Pool implements Upstream {
  readonly #origin: URL
  readonly #clientOptions: Client.Options
  readonly #connectionAge: number

  constructor(options: UpstreamOptions) {
    const clientOptions: Client.Options = {
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
    }
    const { connectionAge = CONNECTION_AGE_MS } = options
    super(options.origin, {
      ...clientOptions,
      factory: (origin, poolOptions) => new UpstreamConnection(origin, poolOptions, connectionAge),
      connections: options.connections,
    })
    this.#origin = new URL(options.origin)
    this.#clientOptions = clientOptions
    this.#connectionAge = connectionAge
  }

  dispatchOnNewConnection(options: Dispatcher.DispatchOptions, handler: ConnectionAware): void {
    const connection = new UpstreamConnection(
      this.#origin,
      this.#clientOptions,
      this.#connectionAge,
    )
    connection.dispatch(options, handler)
    // Closes once the exchange is over.
    void connection.close()
  }
}
