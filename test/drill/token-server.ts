/** A real token server that follows a script, and writes down when it was asked and what it did. */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import type { GrantBook } from './grants.ts'
import type { TokenScript } from './phases.ts'
import type { Random } from './random.ts'
import type { TokenRequest } from './record.ts'
import { SCRIPTS, type Reply } from './token-scripts.ts'

export interface TokenServerOptions {
  readonly clientId: string
  /** Those that are good now. */
  readonly clientSecrets: ReadonlySet<string>
  readonly grants: GrantBook
  readonly random: Random
}

const HOST = '127.0.0.1'

export class TokenServer {
  readonly requests: TokenRequest[] = []
  readonly outages: { readonly from: number; to: number }[] = []
  readonly #options: TokenServerOptions
  readonly #server = createServer((request, response) => {
    // Connections break here by design.
    this.#answer(request, response).catch(() => {})
  })
  #script: TokenScript = 'grants'
  #lifetime = 0
  #asked = 0
  #port = 0

  constructor(options: TokenServerOptions) {
    this.#options = options
  }

  get url(): string {
    return `http://${HOST}:${this.#port}`
  }

  /** Nothing is under way: neither a request nor an answer that nobody has read yet. */
  isQuiet(): boolean {
    const last = this.requests.at(-1)
    return last === undefined || performance.now() - last.endedAt > 100
  }

  /** @param seconds lifetime of the tokens from now on */
  async follow(script: TokenScript, seconds: number): Promise<void> {
    this.#script = script
    this.#lifetime = seconds * 1000
    this.#asked = 0
    if (script === 'down') await this.close()
    else if (!this.#server.listening) await this.#listen()
  }

  async close(): Promise<void> {
    if (!this.#server.listening) return
    this.outages.push({ from: performance.now(), to: Infinity })
    const closed = once(this.#server, 'close')
    this.#server.close()
    this.#server.closeAllConnections()
    await closed
  }

  /** On the port it had before. */
  async #listen(): Promise<void> {
    this.#server.listen(this.#port, HOST)
    await once(this.#server, 'listening')
    this.#port = (this.#server.address() as AddressInfo).port
    const outage = this.outages.at(-1)
    if (outage !== undefined) outage.to = performance.now()
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const record: TokenRequest = { at: performance.now(), endedAt: Infinity, outcome: 'transient' }
    this.requests.push(record)
    response.once('close', () => {
      record.endedAt = Math.min(record.endedAt, performance.now())
    })
    const reply = await this.#reply(request, response, record)
    if (reply === undefined) return
    record.outcome = reply.outcome
    record.endedAt = performance.now()
    if (reply.pause !== undefined) record.notBefore = record.endedAt + reply.pause
    response.writeHead(reply.status, { ...reply.headers }).end(reply.body)
  }

  async #reply(
    request: IncomingMessage,
    response: ServerResponse,
    record: TokenRequest,
  ): Promise<Reply | undefined> {
    const script = this.#script
    const number = this.#asked
    this.#asked += 1
    if (!this.#isRight(request, await text(request))) {
      return { status: 400, body: '{"error":"invalid_request"}', outcome: 'rejected' }
    }
    if (script === 'down') return undefined
    const grant = (): Reply => this.#grant(record)
    const reply = await SCRIPTS[script]({ number, random: this.#options.random, grant })
    return response.destroyed ? undefined : reply
  }

  #isRight({ method, url }: IncomingMessage, body: string): boolean {
    const form = new URLSearchParams(body)
    const { clientId, clientSecrets } = this.#options
    const isKnown =
      form.get('client_id') === clientId && clientSecrets.has(form.get('client_secret') ?? '')
    const isGrant = form.get('grant_type') === 'client_credentials'
    return isKnown && isGrant && method === 'POST' && url === '/oauth/token'
  }

  #grant(record: TokenRequest): Reply {
    const { grants, random } = this.#options
    record.grant = grants.issue(record.at, this.#lifetime)
    const seconds = this.#lifetime / 1000
    const fields = {
      access_token: record.grant.value,
      token_type: 'bearer',
      // Servers send both forms.
      expires_in: random() < 0.5 ? seconds : String(seconds),
    }
    const headers = { 'content-type': 'application/json' }
    return { status: 200, body: JSON.stringify(fields), headers, outcome: 'granted' }
  }
}
