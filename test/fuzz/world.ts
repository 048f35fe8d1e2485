/** Where a run takes place: a token server, an API that suspects everything, and the built proxy. */
import type { Socket } from 'node:net'
import type { Test } from 'tap'
import { boundKey, startProxy } from '../fixtures/proxy-process.ts'
import { pick, type Random } from '../fixtures/random.ts'
import { startRawServer } from '../fixtures/recording-server.ts'
import { CLIENT_ID, TokenServer } from '../fixtures/scripted-token-server.ts'
import { HOSTILE_ANSWERS } from './dictionary.ts'
import { readRequests, type Request } from './http-reader.ts'
import { arrivalFaults, BASE_PATH } from './judge.ts'
import { Sessions, type Session } from './session.ts'

export interface ApiOptions {
  readonly authorization: () => string
  readonly random: Random
  /** Share of answers that are hostile. */
  readonly hostility: number
  /** Whose request it is; `undefined`: nobody's. */
  readonly sessionOf: (request: Request, text: string) => Session | undefined
  /** Told of whatever is nobody's. */
  readonly onFault: (what: string) => void
}

/** A bare TCP server, which reads with `http-reader.ts`. */
export const startApi = (t: Pick<Test, 'teardown'>, options: ApiOptions) =>
  startRawServer(t, (socket) => {
    // oxlint-disable-next-line no-new -- it lives as long as its socket
    new ApiConnection(options, socket)
  })

export const startWorld = async (random: Random, hostility: number) => {
  const sessions = new Sessions()
  /** Of nobody, as far as can be told. */
  const faults: string[] = []
  const tokenServer = new TokenServer({ good: new Set([CLIENT_SECRET]), random })
  await tokenServer.follow('grants', TOKEN_LIFETIME_S)
  const tokens = () => tokenServer.grants.map(({ value }) => value)
  const api = await startApi(
    { teardown() {} },
    {
      authorization: () => `Bearer ${tokens().at(-1)}`,
      random,
      hostility,
      sessionOf: (request, text) => sessions.ownerOf(request, text),
      onFault: (what) => faults.push(what),
    },
  )
  const entities = `${api.url}${BASE_PATH}`
  const { url } = tokenServer
  const key = { entities, url, clientid: CLIENT_ID, clientsecret: CLIENT_SECRET }
  const proxy = await startProxy({ environment: { ...SETTINGS, ...boundKey(key) } })
  /** @returns what was wrong with its life and its log */
  const stop = async (): Promise<string[]> => {
    const death = await proxy.stop()
    await Promise.all([api.close(), tokenServer.close()])
    const log = proxy.log()
    return [
      ...(death === undefined ? [] : [`the proxy ${death}`]),
      ...(tokens().some((token) => log.includes(token)) ? ['the token is in the log'] : []),
      ...(log.includes(CLIENT_SECRET) ? ['the secret is in the log'] : []),
      ...(log.includes('a request failed by a defect') ? ['a request failed by a defect'] : []),
    ]
  }
  const { port, pid } = proxy
  return { sessions, faults, port, pid, isRunning: proxy.isRunning, stop }
}

export type World = Awaited<ReturnType<typeof startWorld>>

const CLIENT_SECRET = 'fuzz+secret/of no worth='
const TOKEN_LIFETIME_S = 43_199

/** Short limits, so that what waits for one ends in a run; place for few, so that leaks show. */
const SETTINGS = {
  SKP_RESPONSE_TIMEOUT: '1s',
  SKP_IDLE_TIMEOUT: '1s',
  SKP_MAX_IN_FLIGHT: '200',
  SKP_UPSTREAM_CONNECTIONS: '64',
  SKP_LOG_FORMAT: 'json',
  // What the fuzzer calls the proxy is any name.
  SKP_ALLOWED_HOSTS: '*',
}

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
    for (const fault of arrivalFaults(request, this.#options.authorization())) this.#accuse(fault)
  }

  #answer(request: Request): void {
    const { method, target, body } = request
    if (this.#session?.hasSent(request) === false) {
      this.#accuse(`the caller did not send ${method} ${target} with ${body?.length} bytes`)
    }
    this.#text = ''
    this.#begun = false
    const { random, hostility } = this.#options
    const head = `HTTP/1.1 200 OK\r\nx-echo: ${target}\r\ncontent-length: 2\r\n\r\n`
    if (random() < hostility) this.#beHostile(target)
    else this.#socket.write(method === 'HEAD' ? head : `${head}ok`, 'latin1')
  }

  #beHostile(target: string): void {
    if (this.#session !== undefined) this.#session.isDisturbed = true
    // What comes now meets a dying connection, and may rightly come again on another one.
    this.#socket.removeAllListeners('data')
    this.#socket.resume()
    const answer = pick(this.#options.random, HOSTILE_ANSWERS)
    this.#socket.end(answer.replaceAll(/(?<=\r\n)E/g, `x-echo: ${target}\r\n`), 'latin1')
  }

  #accuse(what: string): void {
    if (this.#session !== undefined) this.#session.faults.push(`at the API: ${what}`)
    else this.#options.onFault(`${what} in ${JSON.stringify(this.#text)}`)
  }
}
