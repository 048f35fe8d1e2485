/**
 * A real API that checks every token, applies every write exactly as often as it is told to, and
 * writes down all that arrives. Under the script `flaps` it resets connections that had been kept;
 * the first request on a connection is always answered.
 */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import type { GrantBook } from './grants.ts'
import type { ApiScript } from './phases.ts'
import type { Random } from './random.ts'
import { isWriting, type Arrival } from './record.ts'

export interface ApiOptions {
  readonly grants: GrantBook
  readonly random: Random
}

const MAX_DELAY_MS = 100
/** More than a proxy reads of an answer that it does not pass on. */
const LONG_REFUSAL = 'x'.repeat(100 * 1024)
const STATUS: Readonly<Record<string, number>> = { POST: 201, PATCH: 204, OPTIONS: 204 }

const isFor = (id: string, body: string): boolean => body === JSON.stringify({ Id: id })

export class Api {
  readonly arrivals: Arrival[] = []
  readonly #options: ApiOptions
  readonly #kept = new WeakSet<Socket>()
  readonly #busy = new WeakSet<Socket>()
  readonly #server = createServer((request, response) => {
    // Connections break here by design.
    this.#receive(request, response).catch(() => {})
  })
  #script: ApiScript = 'serves'
  #port = 0

  constructor(options: ApiOptions) {
    this.#options = options
    // The proxy decides how long a connection is kept, not a pause of the drill.
    this.#server.keepAliveTimeout = 0
    this.#server.on('connection', (socket) => socket.on('error', () => {}))
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`
  }

  async listen(): Promise<void> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    this.#port = (this.#server.address() as AddressInfo).port
  }

  follow(script: ApiScript): void {
    this.#script = script
  }

  close(): void {
    this.#server.close()
    this.#server.closeAllConnections()
  }

  async #receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { socket, headers } = request
    const { random, grants } = this.#options
    const at = performance.now()
    this.#busy.add(socket)
    const body = await text(request)
    const wasReset = this.#script === 'flaps' && this.#kept.has(socket) && random() < 0.3
    // A connection can break before or after the write has happened.
    const isDone = !wasReset || random() < 0.5
    await sleep(random() * MAX_DELAY_MS)
    // Judged late, so that a revocation meets everything that is under way.
    const token = grants.check(headers.authorization, at)
    const { method = '' } = request
    const id = String(headers['x-request-id'])
    const isWrite = isWriting(method)
    const applied = isWrite && token.token === 'good' && isDone && isFor(id, body)
    const arrival: Arrival = { ...token, id, at, isWrite, applied, wasReset }
    this.arrivals.push(arrival)
    if (wasReset) socket.resetAndDestroy()
    else this.#answer(response, socket, arrival, method)
  }

  #answer(response: ServerResponse, socket: Socket, arrival: Arrival, method: string): void {
    const { random } = this.#options
    response.setHeader('x-drill-id', arrival.id)
    if (arrival.token !== 'good') {
      response.setHeader('www-authenticate', 'Bearer error="invalid_token"')
      response.writeHead(401).end(random() < 0.1 ? LONG_REFUSAL : 'no')
    } else if (arrival.isWrite && !arrival.applied) {
      response.writeHead(400).end('the body is not that of this request')
    } else {
      const status = STATUS[method] ?? 200
      response.writeHead(status, { 'content-type': 'application/json' })
      response.end(status === 204 ? undefined : JSON.stringify({ d: { Id: arrival.id } }))
    }
    response.once('finish', () => {
      this.#busy.delete(socket)
      this.#kept.add(socket)
      if (this.#script === 'flaps') void this.#closeLater(socket)
    })
  }

  /** In the moment in which the proxy may be about to use it again. */
  async #closeLater(socket: Socket): Promise<void> {
    if (this.#options.random() > 0.3) return
    await sleep(20 + this.#options.random() * 40)
    if (!this.#busy.has(socket)) socket.destroy()
  }
}
