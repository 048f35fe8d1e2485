/**
 * One exchange with the API: sends the request, writes the response straight into the caller's, ties
 * the two connections together (abort, backpressure) and ends in every case with a response or a closed
 * connection.
 */
import type { Dispatcher } from 'undici'
import { type Failure, systemCode } from '../errors.ts'
import type { Phase } from '../lifecycle.ts'
import type { AccessToken } from '../token/access-token.ts'
import type { Refusal, TokenSource } from '../token/token-source.ts'
import { breakOff, departureOf, watchIdle } from './caller-connection.ts'
import type { CallerPace } from './caller-pace.ts'
import { discardBody, sendFailure } from './failure-response.ts'
import { type FlushQueue, QueuedResponse, type Sender } from './flush-queue.ts'
import { type RequestHeaders, responseHeaders } from './headers.ts'
import {
  blamesToken,
  isHeld,
  isRepeatable,
  judgeUnauthorized,
  repeatableMethod,
  type UnauthorizedOptions,
} from './replay.ts'
import { isStreamed, type RequestBody } from './request-body.ts'
import type { Call, RequestContext } from './request-context.ts'
import type { WriterOpener } from './rewritten-response.ts'
import type { Route } from './route.ts'
import { isConnectionLoss, type TimeLimits, upstreamFailure } from './upstream-errors.ts'
import { type ConnectionAware, passOver, type UpstreamConnection } from './upstream.ts'

export interface ExchangeOptions extends UnauthorizedOptions {
  readonly limits: TimeLimits
  readonly lifecycle: { readonly phase: Phase }
  readonly openWriter: WriterOpener
  readonly flushQueue: FlushQueue
  readonly pace: CallerPace
  /** Told of every transport failure, before or in the middle of a response. */
  readonly onTransportError: (error: unknown, context: RequestContext) => void
}

/** A call that is admitted, and where it goes. */
export interface RoutedCall extends Call {
  readonly route: Route
}

interface ExchangeRequest extends RoutedCall {
  readonly body: RequestBody
  readonly token: AccessToken
  /** Without the token. */
  readonly headers: RequestHeaders
  /** Sent again on a new connection, after the first one died. */
  readonly retried?: boolean
  /** The 401s that it has met: it is sent again with another token. */
  readonly refusal?: Refusal | undefined
}

/** Always ends the call, be it later. */
export const startExchange = (options: ExchangeOptions, job: ExchangeRequest): void =>
  new Exchange(options, job).dispatch()

class Exchange implements ConnectionAware, Sender {
  /** Set by the connection itself before it calls anything else here. */
  declare connection: UpstreamConnection
  readonly #options: ExchangeOptions
  readonly #job: ExchangeRequest
  readonly #tokens: TokenSource
  /** Of the request that is under way. */
  #controller: Dispatcher.DispatchController | undefined
  /** Leaves the queue for a connection. */
  #leaveQueue: (() => void) | undefined
  #reused = false
  #callerGone = false
  /** Ends the watch on the pace of the caller; `undefined`: there is none yet. */
  #unwatch: (() => void) | undefined
  /** Not sent within dispatch(), but later, on a connection that was still busy or not there. */
  #waited = false
  #stale = false
  /** The first byte of a response has arrived. */
  #answering = false
  #response: QueuedResponse | undefined
  /** Bytes of a response that is not passed on; `undefined`: it is. */
  #discarded: number | undefined
  readonly #onClose = (): void => {
    this.#unwatch?.()
    if (!this.#job.response.writableFinished || this.#discarded !== undefined) this.#giveUp()
  }

  constructor(options: ExchangeOptions, job: ExchangeRequest) {
    this.#options = options
    this.#job = job
    this.#tokens = job.route.tokens
    job.response.on('close', this.#onClose)
    if (isStreamed(job.body)) this.onUntaken()
  }

  dispatch(): void {
    const { request, context, headers, token, body, retried, route } = this.#job
    const exchange = {
      path: context.path,
      method: request.method as Dispatcher.HttpMethod,
      headers: headers.callers as string[],
      trusted: [...headers.own, 'authorization', token.authorization],
      body,
    }
    if (retried === true) route.upstream.dispatchOnNewConnection(exchange, this)
    else this.#leaveQueue = route.upstream.dispatch(exchange, this)
    this.#waited = true
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    this.#reused = this.connection.served > 0
    // While the request waited for a connection, its token may have come to its end.
    this.#stale = this.#waited && this.#tokens.isExpired(this.#job.token)
    if (this.#callerGone || this.#stale) controller.abort(GIVEN_UP)
  }

  onResponseStarted(): void {
    this.#answering = true
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    _headers: unknown,
    text = '',
  ): void {
    if (status < 200) return passOver(this.connection, controller)
    this.connection.served += 1
    if (status !== 401) this.#tokens.accept(this.#job.token, this.#job.context.path)
    else if (this.#isKept(controller.rawHeaders as Buffer[])) {
      this.#discarded = 0
      return
    }
    // As received: the list keeps what an object loses, such as the order.
    const raw = controller.rawHeaders as Buffer[]
    const { request, response, context, route } = this.#job
    const headers = responseHeaders(raw, context.ids)
    // A caller that closes its connection now meets no closed door later.
    if (this.#options.lifecycle.phase !== 'running') headers.push('connection', 'close')
    const resume = (): void => controller.resume()
    const { openWriter, flushQueue } = this.#options
    const writer = openWriter({ request, response, context, status, text, headers, resume }, route)
    this.#response = new QueuedResponse(flushQueue, writer, response, this)
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#discarded === undefined) {
      if ((this.#response as QueuedResponse).write(chunk)) return
      controller.pause()
      return this.onUntaken()
    }
    this.#discarded += chunk.length
    if (this.#discarded > MAX_DISCARDED_BYTES) controller.abort(GIVEN_UP)
  }

  onResponseEnd(): void {
    if (this.#discarded !== undefined) return
    this.#response?.complete()
    discardBody(this.#job.request)
  }

  onResponseError(_controller: unknown, error: Error): void {
    this.onFailure(error)
  }

  onFailure(error: Error): void {
    if (this.#callerGone || this.#discarded !== undefined) return
    if (this.#stale) return this.#sendAgain()
    if (this.#isWhole(error)) return this.onResponseEnd()
    this.#response?.cancel()
    if (this.#mayRetry(error)) return startExchange(this.#options, { ...this.#job, retried: true })
    const { response, context } = this.#job
    const failure = upstreamFailure(error, this.#options.limits)
    if (failure.code !== 'body_too_large') this.#options.onTransportError(error, context)
    return response.headersSent ? breakOff(response) : this.#fail(failure)
  }

  /** A 304 may say how long the body is that it does not have (RFC 9110 §8.6). */
  #isWhole(error: Error): boolean {
    return this.#response?.status === 304 && systemCode(error) === LENGTH_MISMATCH
  }

  #giveUp(): void {
    this.#callerGone = true
    this.#response?.cancel()
    this.#leaveQueue?.()
    this.#controller?.abort(GIVEN_UP)
  }

  /** A caller is watched from here on; while nothing is to come from it or to it, that is spared. */
  onUntaken(): void {
    if (this.#unwatch !== undefined) return
    const { request, response } = this.#job
    const { limits, pace } = this.#options
    watchIdle(request, response, limits.idleTimeout, (verdict) => this.#onIdle(verdict))
    this.#unwatch = pace.watch(this.#job, (failure) =>
      this.#onIdle(response.headersSent ? 'close' : failure),
    )
  }

  #onIdle(verdict: 'close' | Failure): void {
    this.#giveUp()
    if (verdict === 'close') breakOff(this.#job.response)
    else this.#fail(verdict)
  }

  #fail(failure: Failure): void {
    sendFailure(this.#job, failure)
  }

  /** @returns whether the 401 is kept from the caller, because something better follows */
  #isKept(headers: readonly Buffer[]): boolean {
    const { request, body, token, context } = this.#job
    const refusal = this.#tokens.reject(token, context.path, this.#job.refusal)
    const method = repeatableMethod(request)
    const { isCurable } = refusal
    const verdict = judgeUnauthorized(
      { method, body, isCurable, isTokenBlamed: blamesToken(headers) },
      this.#options,
    )
    if (verdict === 'pass') return false
    if (verdict === 'replay') void this.#replay(refusal)
    else this.#fail({ code: verdict })
    return true
  }

  /** Nothing was sent; only a streamed body is lost, because undici has ended its stream. */
  #sendAgain(): void {
    if (isHeld(this.#job.body)) void this.#replay(this.#job.refusal)
    else this.#fail({ code: 'token_refreshed_retry' })
  }

  async #replay(refusal?: Refusal): Promise<void> {
    const { response, context } = this.#job
    context.timing?.waits()
    const outcome = await this.#tokens.acquire(departureOf(response), refusal)
    context.timing?.goesOn(context)
    // An answer that is still being read to nowhere would keep its connection from the replay.
    this.#controller?.abort(GIVEN_UP)
    if (response.destroyed) return
    if (!outcome.ok) return this.#fail(outcome.failure)
    context.token = refusal === undefined ? 'waited' : 'replayed'
    // The next one watches the caller; any number of them may follow one another.
    response.off('close', this.#onClose)
    startExchange(this.#options, { ...this.#job, token: outcome.token, refusal })
  }

  /** A kept connection may die under a request that the API never saw; a new one does not. */
  #mayRetry(error: Error): boolean {
    const { request, body, retried } = this.#job
    const unseen = this.#reused && !this.#answering
    const repeatable = isRepeatable(repeatableMethod(request), body)
    return unseen && repeatable && retried !== true && isConnectionLoss(error)
  }
}

/** What undici is told when it is to give up; it never leaves this file. */
const GIVEN_UP = new Error('given up')

/** An answer nobody gets is read up to this size, so that its connection can be kept. */
const MAX_DISCARDED_BYTES = 64 * 1024

const LENGTH_MISMATCH = 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH'
