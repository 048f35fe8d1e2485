/**
 * One exchange with the API: sends the request, writes the answer straight into the caller's
 * response, ties the two connections together (abort, backpressure) and ends in every case with
 * an answer or a closed connection.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { PassThrough } from 'node:stream'
import type { Dispatcher } from 'undici'
import type { Phase } from '../lifecycle.ts'
import { discardBody, sendFailure } from './failure-answer.ts'
import type { Journal } from './journal.ts'
import { responseHeaders } from './response-headers.ts'
import type { ConnectionAware, Upstream, UpstreamConnection } from './upstream.ts'
import { isConnectionLoss, upstreamFailure, type TimeLimits } from './upstream-errors.ts'

export interface ForwardOptions {
  readonly upstream: Upstream
  readonly limits: TimeLimits
  readonly lifecycle: { readonly phase: Phase }
  /** Told of every transport failure, before or in the middle of an answer. */
  readonly onTransportError: (error: unknown, journal: Journal) => void
}

export interface ForwardRequest {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly journal: Journal
  /** Alternating names and values, token included. */
  readonly headers: readonly string[]
}

/** Methods that may be sent a second time (RFC 9110 §9.2.2). */
const IDEMPOTENT: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE'])

const hasBody = ({ headers }: IncomingMessage): boolean =>
  headers['transfer-encoding'] !== undefined ||
  (headers['content-length'] !== undefined && headers['content-length'] !== '0')

/** undici's name for what the forwarder aborts with; it never leaves this file. */
const CALLER_GONE = new Error('the caller closed its connection')

class Exchange implements ConnectionAware {
  /** Set by the connection itself before it calls anything else here. */
  declare connection: UpstreamConnection
  readonly #options: ForwardOptions
  readonly #job: ForwardRequest
  #abort: ((reason: Error) => void) | undefined
  #callerGone = false
  #reused = false
  #retried = false

  constructor(options: ForwardOptions, job: ForwardRequest) {
    this.#options = options
    this.#job = job
    job.response.once('close', () => {
      if (job.response.writableFinished) return
      this.#callerGone = true
      this.#abort?.(CALLER_GONE)
    })
  }

  dispatch(): void {
    const { request, journal, headers } = this.#job
    // A stream of its own: undici destroys a body it gives up on, and with it would go the
    // caller's connection, on which the answer is still to be sent.
    const body = hasBody(request) ? request.pipe(new PassThrough()) : null
    const { upstream } = this.#options
    const exchange = {
      path: journal.path,
      method: request.method as Dispatcher.HttpMethod,
      headers: headers as string[],
      body,
    }
    if (this.#retried) upstream.dispatchOnNewConnection(exchange, this)
    else upstream.dispatch(exchange, this)
  }

  onConnect(abort: (reason?: Error) => void): void {
    this.#abort = abort
    this.#reused = this.connection.served > 0
    if (this.#callerGone) abort(CALLER_GONE)
  }

  onHeaders(status: number, raw: Buffer[], resume: () => void, text: string): boolean {
    if (status < 200) return true
    this.connection.served += 1
    const { response, journal } = this.#job
    const headers = responseHeaders(raw, journal.ids)
    // A caller that closes its connection now meets no closed door later.
    if (this.#options.lifecycle.phase !== 'running') headers.push('connection', 'close')
    response.writeHead(status, text, headers)
    response.on('drain', resume)
    return true
  }

  onData(chunk: Buffer): boolean {
    return this.#job.response.write(chunk)
  }

  onComplete(): void {
    this.#job.response.end()
    discardBody(this.#job.request)
  }

  onError(error: Error): void {
    if (this.#callerGone) return
    const { request, response, journal } = this.#job
    if (!response.headersSent && this.#mayRetry(error)) {
      this.#retried = true
      this.dispatch()
      return
    }
    this.#options.onTransportError(error, journal)
    if (response.headersSent) response.destroy()
    else sendFailure(request, response, upstreamFailure(error, this.#options.limits), journal)
  }

  /** A kept connection may die under a request that the API never saw; a new one does not. */
  #mayRetry(error: Error): boolean {
    const { request } = this.#job
    const repeatable = IDEMPOTENT.has(request.method as string) && !hasBody(request)
    return this.#reused && !this.#retried && repeatable && isConnectionLoss(error)
  }
}

export const forward = (options: ForwardOptions, job: ForwardRequest): void =>
  new Exchange(options, job).dispatch()
