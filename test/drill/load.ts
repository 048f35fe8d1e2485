/** Callers: a steady stream of requests, whatever becomes of them, and what each of them saw. */
import http, { type IncomingMessage } from 'node:http'
import { text } from 'node:stream/consumers'
import type { Random } from './random.ts'
import { isWriting, type Call } from './record.ts'

export interface LoadOptions {
  readonly port: number
  readonly perSecond: number
  readonly random: Random
}

/** Longer than the proxy lets anybody wait: then the answer counts as lost. */
const RESPONSE_LIMIT_MS = 20_000

type Plan = Pick<Call, 'id' | 'method'>

/** 70 % GET, 10 % HEAD and OPTIONS, 20 % POST and PATCH. */
const methodFor = (chance: number): string => {
  if (chance < 0.7) return 'GET'
  if (chance < 0.8) return chance < 0.75 ? 'HEAD' : 'OPTIONS'
  return chance < 0.9 ? 'POST' : 'PATCH'
}

const pathFor = ({ id, method }: Plan): string =>
  method === 'POST' ? '/Assessment' : `/Assessment('${id}')?$format=json`

const field = ({ headers }: IncomingMessage, name: string): string | undefined => {
  const value = headers[name]
  return typeof value === 'string' ? value : undefined
}

const outcomeOf = async (answer: IncomingMessage, { id, method }: Plan) => {
  const body = await text(answer)
  const code = field(answer, 'x-error-code')
  const isBodyRight =
    method !== 'GET' || code !== undefined || body === JSON.stringify({ d: { Id: id } })
  return {
    status: answer.statusCode,
    code,
    retryAfter: field(answer, 'retry-after'),
    echoed: isBodyRight ? field(answer, 'x-drill-id') : 'another body',
  }
}

export class Load {
  readonly calls: Call[] = []
  readonly #options: LoadOptions
  readonly #agent = new http.Agent({ keepAlive: true })
  readonly #pending = new Set<Promise<void>>()
  readonly #startedAt = performance.now()
  #made = 0
  #timer: ReturnType<typeof setTimeout> | undefined

  constructor(options: LoadOptions) {
    this.#options = options
    this.#schedule()
  }

  /** Resolves when the last call is over, which is after `RESPONSE_LIMIT_MS` at most. */
  async stop(): Promise<void> {
    clearTimeout(this.#timer)
    await Promise.all(this.#pending)
    this.#agent.destroy()
  }

  /** By the clock and not by the previous call, so that a pause of this process loses none. */
  #schedule(): void {
    const { perSecond, random } = this.#options
    const dueAt = this.#startedAt + ((this.#made + random()) * 1000) / perSecond
    this.#timer = setTimeout(() => {
      this.#start()
      this.#schedule()
    }, dueAt - performance.now())
  }

  #start(): void {
    this.#made += 1
    const method = methodFor(this.#options.random())
    const id = `${isWriting(method) ? 'w' : 'r'}${this.#made}`
    const call = this.#call({ id, method }).finally(() => this.#pending.delete(call))
    this.#pending.add(call)
  }

  async #call(plan: Plan): Promise<void> {
    this.calls.push(await this.#outcome(plan))
  }

  async #outcome(plan: Plan): Promise<Call> {
    const startedAt = performance.now()
    try {
      const outcome = await outcomeOf(await this.#send(plan), plan)
      return { ...plan, startedAt, endedAt: performance.now(), ...outcome }
    } catch (error) {
      const problem = error instanceof Error ? error.message : String(error)
      return { ...plan, startedAt, endedAt: performance.now(), status: undefined, problem }
    }
  }

  #send(plan: Plan): Promise<IncomingMessage> {
    const { id, method } = plan
    const body = isWriting(method) ? JSON.stringify({ Id: id }) : undefined
    const request = http.request({
      host: '127.0.0.1',
      port: this.#options.port,
      agent: this.#agent,
      method,
      path: pathFor(plan),
      signal: AbortSignal.timeout(RESPONSE_LIMIT_MS),
      headers: {
        'x-request-id': id,
        ...(body === undefined
          ? {}
          : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }),
      },
    })
    return new Promise((resolve, reject) => {
      request.once('response', resolve)
      request.on('error', reject)
      request.end(body)
    })
  }
}
