/** The connections of callers: which of them have a request in flight, and with which answer. */
import type { Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

export class CallerConnections {
  readonly #answers = new Map<Socket, ServerResponse | undefined>()
  readonly #refused = new WeakSet<Socket>()

  /** Answers to pipelined requests whose turn has not come. */
  readonly #queued = new Map<Socket, Set<ServerResponse>>()

  constructor(server: Server) {
    server.on('connection', (socket) => {
      this.#answers.set(socket, undefined)
      socket.once('close', () => this.#closed(socket))
    })
  }

  /** A request has arrived whole enough to be answered. */
  began(socket: Socket, response: ServerResponse): void {
    this.#answers.set(socket, response)
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
    this.#answers.delete(socket)
  }

  /** The last answer on it, unless that is finished; others may be under way before it. */
  unfinished(socket: Socket): ServerResponse | undefined {
    const response = this.#answers.get(socket)
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
    for (const [socket, response] of this.#answers) {
      if (response === undefined || response.closed) socket.destroy()
    }
  }
}
