/**
 * The connections of callers: which of them have a request in flight and with which response, how one
 * is broken off, and when a caller has gone or waits for nothing any more.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Failure } from '../errors.ts'

export class CallerConnections {
  readonly #responses = new Map<Socket, ServerResponse | undefined>()
  readonly #refused = new WeakSet<Socket>()

  /** Answers to pipelined requests whose turn has not come. */
  readonly #queued = new Map<Socket, Set<ServerResponse>>()

  constructor(server: Server) {
    server.on('connection', (socket) => {
      this.#responses.set(socket, undefined)
      socket.once('close', () => this.#closed(socket))
    })
  }

  /** A request has arrived whole enough to be answered. */
  began(socket: Socket, response: ServerResponse): void {
    this.#responses.set(socket, response)
    if (response.socket === null) this.#queue(socket, response)
  }

  #queue(socket: Socket, response: ServerResponse): void {
    const queued = this.#queued.get(socket) ?? new Set()
    this.#queued.set(socket, queued.add(response))
    response.once('socket', () => queued.delete(response))
  }

  /** Node tells the answer whose turn it is that its connection has closed, but not those behind. */
  #closed(socket: Socket): void {
    for (const response of this.#queued.get(socket) ?? []) {
      response.destroy()
      // Node 24 does tell those that are destroyed, in a moment; Node 20 does not. Never twice:
      // whoever listens counts.
      setImmediate(() => {
        if (!response.closed) response.emit('close')
      })
    }
    this.#queued.delete(socket)
    this.#responses.delete(socket)
  }

  /** The last answer on it, unless that is finished; others may be under way before it. */
  unfinished(socket: Socket): ServerResponse | undefined {
    const response = this.#responses.get(socket)
    return response?.closed === true ? undefined : response
  }

  /** Nothing more is taken from it, once its last answer is sent. @returns whether this is new */
  refuse(socket: Socket): boolean {
    const isNew = !this.#refused.has(socket)
    this.#refused.add(socket)
    return isNew
  }

  isRefused(socket: Socket): boolean {
    return this.#refused.has(socket)
  }

  /** Closes what has no request in flight: silent connections, and heads that never end. */
  closeUnused(): void {
    for (const [socket, response] of this.#responses) {
      if (response === undefined || response.closed) socket.destroy()
    }
  }
}

/**
 * Ends a response that cannot be completed: its connection closes, so that the caller can tell. In its
 * turn: answers to earlier requests of the connection go out whole. Node 24 closes a response
 * that is destroyed before its turn, but not the connection, on which the caller would wait for ever.
 */
export const breakOff = (response: ServerResponse): void => {
  if (response.socket === null) response.once('socket', () => response.destroy())
  else response.destroy()
}

/**
 * For whoever waits on behalf of a caller.
 *
 * @returns a signal that is aborted when the connection closes, or the response is complete
 */
export const departureOf = (response: ServerResponse): AbortSignal => {
  const left = new AbortController()
  response.once('close', () => left.abort())
  return left.signal
}

/** The caller stopped in the middle of its body. */
export const callerTimeout = (idleTimeout: number): Failure => ({
  code: 'caller_timeout',
  detail: detailOf(idleTimeout),
})

/**
 * A caller that stops sending or reading must not hold a connection to the API for ever.
 *
 * @param idleTimeout in ms
 * @param onIdle told once nothing has moved for so long that waiting makes no sense
 */
export const watchIdle = (
  request: IncomingMessage,
  response: ServerResponse,
  idleTimeout: number,
  onIdle: (verdict: 'close' | Failure) => void,
): void => {
  response.setTimeout(idleTimeout, () => {
    const verdict = judgeIdle(request, response, idleTimeout)
    if (verdict !== 'wait') onIdle(verdict)
  })
}

const detailOf = (idleTimeout: number): string => `SKP_IDLE_TIMEOUT=${idleTimeout}ms.`

/**
 * What to do when nothing has moved on the caller's connection for SKP_IDLE_TIMEOUT. `wait`: it is
 * the API's turn, which has limits of its own. `close`: the caller does not read. Else: an answer.
 *
 * @param idleTimeout in ms
 */
const judgeIdle = (
  request: IncomingMessage,
  response: ServerResponse,
  idleTimeout: number,
): 'wait' | 'close' | Failure => {
  const isUntaken = response.writableEnded && !response.writableFinished
  if (response.writableNeedDrain || isUntaken) return 'close'
  if (request.complete || response.headersSent) return 'wait'
  // Paused by backpressure: it is the API that takes no more of the body.
  return request.isPaused()
    ? { code: 'upstream_timeout', detail: detailOf(idleTimeout) }
    : callerTimeout(idleTimeout)
}
