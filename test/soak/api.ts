/**
 * A real API that checks every token, carries out each write as often as it is told to, streams large
 * bodies both ways, and misbehaves by script. It tells of every request that has arrived whole.
 */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import type { GrantBook } from '../drill/grants.ts'
import type { Random } from '../drill/random.ts'
import { isWriting, type Arrival } from './call.ts'
import type { ApiScript } from './course.ts'
import { PatternCheck, patternPieces } from './pattern.ts'

export interface SoakApiOptions {
  readonly grants: GrantBook
  readonly random: Random
  readonly onArrival: (arrival: Arrival) => void
}

const ID_FIELD = 'x-soak-id'
const MAX_DELAY_MS = 15
const HANG_MS = 2_000
const SMALL_BYTES = 4_096
const FAILURE = '{"error":{}}'
const STATUS: Readonly<Record<string, number>> = {
  POST: 201,
  PATCH: 204,
  MERGE: 204,
  PUT: 204,
  DELETE: 204,
  OPTIONS: 204,
}

interface Received {
  readonly small: string
  readonly check: PatternCheck
}

const receive = async (request: IncomingMessage): Promise<Received> => {
  const check = new PatternCheck()
  let small = ''
  for await (const chunk of request as AsyncIterable<Buffer>) {
    check.take(chunk)
    if (small.length < SMALL_BYTES) small += chunk.toString('latin1', 0, SMALL_BYTES)
  }
  return { small, check }
}

const sizeIn = (url: string): number => Number(/[?&]bytes=(\d+)/.exec(url)?.[1] ?? NaN)

/** Whether the body is that of this request, to the last byte. */
const isComplete = ({ method, url = '' }: IncomingMessage, id: string, body: Received): boolean => {
  if (method === 'DELETE') return body.check.bytes === 0
  if (url.includes('/Upload')) return body.check.isWhole(sizeIn(url))
  if (url.includes('/$batch')) return body.small.includes(`{"Id":"${id}"}`)
  return body.small === JSON.stringify({ Id: id })
}

export class SoakApi {
  readonly #options: SoakApiOptions
  readonly #kept = new WeakSet<Socket>()
  readonly #server = createServer((request, response) => {
    // Connections break here by design.
    this.#serve(request, response).catch(() => {})
  })
  #script: ApiScript = 'serves'
  #base = ''

  constructor(options: SoakApiOptions) {
    this.#options = options
    // The proxy decides how long a connection is kept.
    this.#server.keepAliveTimeout = 0
    this.#server.on('connection', (socket) => socket.on('error', () => {}))
  }

  /** Base URL. */
  get entities(): string {
    return this.#base
  }

  async listen(): Promise<void> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    this.#base = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/v1`
  }

  follow(script: ApiScript): void {
    this.#script = script
  }

  closeIdle(): void {
    this.#server.closeIdleConnections()
  }

  close(): void {
    this.#server.close()
    this.#server.closeAllConnections()
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { socket, headers } = request
    const isWrite = isWriting({ method: String(request.method) })
    const { random, grants, onArrival } = this.#options
    const at = performance.now()
    const body = await receive(request)
    const misfortune = this.#misfortune(socket)
    const hangs = this.#script === 'hangs' && random() < 0.1
    await sleep(hangs ? HANG_MS : random() * MAX_DELAY_MS)
    // Judged late, so that a revocation meets everything that is under way.
    const { token } = grants.check(headers.authorization, at)
    const id = String(headers['x-request-id'])
    const happens = token === 'good' && misfortune.happens
    const applied = isWrite && happens && isComplete(request, id, body)
    onArrival({ id, token, applied, wasReset: misfortune.kind === 'reset' })
    response.once('finish', () => this.#kept.add(socket))
    response.setHeader(ID_FIELD, id)
    if (misfortune.kind === 'reset') socket.resetAndDestroy()
    else if (token !== 'good') response.writeHead(401).end('no')
    else if (misfortune.kind === 'failure') response.writeHead(misfortune.status).end(FAILURE)
    else await this.#answer(request, response, { id, isRefused: isWrite && !applied })
  }

  /** A connection can break before or after the write has happened. */
  #misfortune(socket: Socket) {
    const { random } = this.#options
    if (this.#script === 'flaps' && this.#kept.has(socket) && random() < 0.3) {
      return { kind: 'reset', happens: random() < 0.5 } as const
    }
    return this.#script === 'fails' && random() < 0.3
      ? ({ kind: 'failure', happens: false, status: random() < 0.5 ? 500 : 503 } as const)
      : ({ kind: 'none', happens: true } as const)
  }

  async #answer(
    request: IncomingMessage,
    response: ServerResponse,
    { id, isRefused }: { readonly id: string; readonly isRefused: boolean },
  ): Promise<void> {
    const { method = '', url = '' } = request
    const entity = { d: { __metadata: { uri: `${this.#base}/Entity('${id}')` }, Id: id } }
    if (isRefused) response.writeHead(400).end('another body')
    else if (url.includes('/Large')) {
      const size = sizeIn(url)
      const head = { 'content-type': 'application/octet-stream', 'content-length': size }
      await pipeline(Readable.from(patternPieces(size)), response.writeHead(200, head))
    } else if (url.includes('/$batch')) {
      const part = `HTTP/1.1 201 Created\r\nContent-Type: application/json\r\n\r\n${JSON.stringify(entity)}`
      const fields = 'Content-Type: application/http\r\nContent-Transfer-Encoding: binary'
      response.writeHead(202, { 'content-type': 'multipart/mixed; boundary=answer' })
      response.end(`--answer\r\n${fields}\r\n\r\n${part}\r\n--answer--\r\n`)
    } else {
      const status = STATUS[method] ?? 200
      response.writeHead(status, { 'content-type': 'application/json' })
      response.end(status === 204 ? undefined : JSON.stringify(entity))
    }
  }
}
