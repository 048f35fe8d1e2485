/** The API: a bare TCP server that reads with `strict-http.ts` and suspects everything. */
import { once } from 'node:events'
import net, { type AddressInfo, type Socket } from 'node:net'
import type { Random } from '../drill/random.ts'
import { chance } from './generate.ts'
import { hostileAnswer } from './hostile-answers.ts'
import { arrivalFaults } from './judge-arrival.ts'
import { readRequests, type Request } from './read-requests.ts'
import type { Session } from './session.ts'

export interface ApiOptions {
  readonly authorization: string
  readonly random: Random
  /** Share of answers that are hostile. */
  readonly hostility: number
  /** Whose request it is; `undefined`: nobody's. */
  readonly sessionOf: (request: Request, text: string) => Session | undefined
  /** Told of whatever is nobody's. */
  readonly onFault: (what: string) => void
}

const OK = 'HTTP/1.1 200 OK\r\n'

/** Reads one connection. */
class ApiConnection {
  readonly #options: ApiOptions
  readonly #socket: Socket
  #text = ''
  #session: Session | undefined
  /** The head of the request that is arriving has been judged. */
  #begun = false

  constructor(options: ApiOptions, socket: Socket) {
    this.#options = options
    this.#socket = socket
    socket.on('error', () => {})
    socket.on('data', (chunk: Buffer) => this.#take(chunk.toString('latin1')))
  }

  #take(chunk: string): void {
    this.#text += chunk
    const { requests, rest } = readRequests(this.#text)
    const [request] = requests
    if (rest instanceof Error) this.#accuse(`what no server reads: ${rest.message}`)
    if (requests.length > 1) this.#accuse('a second request before the answer to the first')
    if (request === undefined) return
    if (!this.#begun) this.#begin(request)
    if (request.body !== undefined) this.#answer(request)
  }

  #begin(request: Request): void {
    this.#begun = true
    this.#session = this.#options.sessionOf(request, this.#text)
    if (this.#session === undefined) this.#accuse(`nobody sent ${request.method} ${request.target}`)
    this.#session?.begin()
    for (const fault of arrivalFaults(request, this.#options.authorization)) this.#accuse(fault)
  }

  #answer(request: Request): void {
    if (this.#session?.hasSent(request) === false) {
      const { method, target, body } = request
      this.#accuse(`the caller did not send ${method} ${target} with ${body?.length} bytes`)
    }
    this.#text = ''
    this.#begun = false
    if (chance(this.#options.random, this.#options.hostility)) this.#beHostile(request)
    else this.#echo(request)
  }

  #echo({ target, method }: Request): void {
    const body = method === 'HEAD' ? '' : 'ok'
    this.#socket.write(`${OK}x-echo: ${target}\r\ncontent-length: 2\r\n\r\n${body}`, 'latin1')
  }

  #beHostile({ target }: Request): void {
    if (this.#session !== undefined) this.#session.isDisturbed = true
    // What comes now meets a dying connection, and may rightly come again on another one.
    this.#socket.removeAllListeners('data')
    this.#socket.resume()
    this.#socket.end(hostileAnswer(this.#options.random, target), 'latin1')
  }

  #accuse(what: string): void {
    if (this.#session === undefined)
      this.#options.onFault(`${what} in ${JSON.stringify(this.#text)}`)
    else this.#session.faults.push(`at the API: ${what}`)
  }
}

export class Api {
  readonly #server: net.Server
  readonly #sockets = new Set<Socket>()

  constructor(options: ApiOptions) {
    this.#server = net.createServer((socket) => {
      this.#sockets.add(socket)
      socket.once('close', () => this.#sockets.delete(socket))
      // oxlint-disable-next-line no-new -- it lives as long as its socket
      new ApiConnection(options, socket)
    })
  }

  /** @returns its URL */
  async listen(): Promise<string> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  close(): void {
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
  }
}
