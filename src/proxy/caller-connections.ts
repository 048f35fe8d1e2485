/** The connections of callers: which of them have a request in flight, and with which answer. */
import type { Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

export class CallerConnections {
  readonly #answers = new Map<Socket, ServerResponse | undefined>()

  constructor(server: Server) {
    server.on('connection', (socket) => {
      this.#answers.set(socket, undefined)
      socket.once('close', () => this.#answers.delete(socket))
    })
  }

  /** A request has arrived whole enough to be answered. */
  began(socket: Socket, response: ServerResponse): void {
    this.#answers.set(socket, response)
  }

  /** Whether an answer is under way on it, which must not be mixed with another one. */
  isAnswering(socket: Socket): boolean {
    const response = this.#answers.get(socket)
    return response !== undefined && response.headersSent && !response.writableFinished
  }

  /** Closes what has no request in flight: silent connections, and heads that never end. */
  closeUnused(): void {
    for (const [socket, response] of this.#answers) {
      if (response === undefined || response.closed) socket.destroy()
    }
  }
}
