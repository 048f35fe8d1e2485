/** Ten callers, each with connections of its own, who do one thing after the other. */
import http from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { createRandom, type Random } from '../drill/random.ts'
import type { Action, Call } from './call.ts'
import { exchange, type Answer, type Exchange } from './exchange.ts'

export interface CallersOptions {
  readonly port: number
  readonly count: number
  readonly seed: number
  readonly onBegin: (id: string) => void
  readonly onEnd: (call: Call) => void
}

type Plan = Omit<Exchange, 'port' | 'agent' | 'id'> & {
  readonly action: Action
  /** Bytes of the answer, where it is a large one. */
  readonly bytes?: number
}

const MAX_PAUSE_MS = 30
const MEGABYTE = 1024 * 1024

const batchOf = (id: string): string =>
  [
    '--batch_1',
    'Content-Type: multipart/mixed; boundary=changeset_1',
    '',
    '--changeset_1',
    'Content-Type: application/http',
    'Content-Transfer-Encoding: binary',
    '',
    'POST Entity HTTP/1.1',
    'Content-Type: application/json',
    `Content-Length: ${JSON.stringify({ Id: id }).length}`,
    '',
    JSON.stringify({ Id: id }),
    '--changeset_1--',
    '',
    '--batch_1--',
    '',
  ].join('\r\n')

const entity = (id: string): string => `/Entity('${id}')?$format=json`

const read = (id: string, random: Random): Plan => {
  const chance = random()
  const method = chance < 0.9 ? 'GET' : chance < 0.95 ? 'HEAD' : 'OPTIONS'
  return { action: 'read', method, path: entity(id) }
}

const WRITES = ['POST', 'POST', 'PATCH', 'MERGE', 'PUT', 'DELETE'] as const

const write = (id: string, random: Random): Plan => {
  const method = WRITES[Math.floor(random() * WRITES.length)] ?? 'POST'
  const path = method === 'POST' ? '/Entity' : entity(id)
  const body = JSON.stringify({ Id: id })
  return { action: 'write', method, path, ...(method === 'DELETE' ? {} : { body }) }
}

const batch = (id: string): Plan => ({
  action: 'batch',
  method: 'POST',
  path: '/$batch',
  type: 'multipart/mixed; boundary=batch_1',
  body: batchOf(id),
})

const upload = (random: Random): Plan => {
  const bytes = Math.ceil(random() * 4 * MEGABYTE)
  const type = 'application/octet-stream'
  return { action: 'upload', method: 'POST', path: `/Upload?bytes=${bytes}`, type, upload: bytes }
}

const download = (random: Random): Plan => {
  const bytes = Math.ceil(random() * 8 * MEGABYTE)
  return { action: 'download', method: 'GET', path: `/Large?bytes=${bytes}`, bytes }
}

const slowReader = (random: Random): Plan => {
  const slow = { ...download(random), action: 'slow reader' } as const
  return { ...slow, pause: 20 + random() * 60 }
}

/** Before the answer, in the middle of it, or in the middle of the body. */
const departure = (id: string, random: Random): Plan => {
  const plans = [read(id, random), write(id, random), upload(random), download(random)]
  const plan = plans[Math.floor(random() * plans.length)] as Plan
  return { ...plan, action: 'departure', leaveAfter: 1 + random() * 25 }
}

const planFor = (id: string, random: Random): Plan => {
  const chance = random()
  if (chance < 0.6) return read(id, random)
  if (chance < 0.82) return write(id, random)
  if (chance < 0.88) return batch(id)
  if (chance < 0.9) return upload(random)
  if (chance < 0.92) return download(random)
  return chance < 0.93 ? slowReader(random) : departure(id, random)
}

/** What is wrong with an answer of the API's; a link in it leads through the proxy. */
const faultOf = (plan: Plan, id: string, port: number, answer: Answer): string | undefined => {
  const { status = 0, text, check } = answer
  if (answer.id !== id) return `the answer is that for ${answer.id}`
  if (status >= 300) return undefined
  if (plan.bytes !== undefined) return check.isWhole(plan.bytes) ? undefined : 'other bytes'
  const hasBody = status !== 204 && plan.method !== 'HEAD' && plan.action !== 'upload'
  const link = `"uri":"http://127.0.0.1:${port}/Entity('${id}')"`
  return hasBody && !text.includes(link) ? 'its link does not lead through the proxy' : undefined
}

export class Callers {
  readonly #options: CallersOptions
  readonly #stopping = new AbortController()
  readonly #done: Promise<unknown>
  readonly #agents: http.Agent[] = []
  #made = 0

  constructor(options: CallersOptions) {
    this.#options = options
    this.#done = Promise.all(Array.from({ length: options.count }, (_, i) => this.#live(i)))
  }

  /** Resolves when the last answer is there. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    await this.#done
    for (const agent of this.#agents) agent.destroy()
  }

  async #live(index: number): Promise<void> {
    const random = createRandom(this.#options.seed + index)
    const agent = new http.Agent({ keepAlive: true })
    this.#agents.push(agent)
    while (!this.#stopping.signal.aborted) {
      await this.#call(agent, random)
      await sleep(random() * MAX_PAUSE_MS)
    }
  }

  async #call(agent: http.Agent, random: Random): Promise<void> {
    const { port, onBegin, onEnd } = this.#options
    this.#made += 1
    const id = `soak-${this.#made}`
    const plan = planFor(id, random)
    const { action, method } = plan
    onBegin(id)
    const startedAt = performance.now()
    const common = (): Omit<Call, 'status'> => {
      return { id, action, method, startedAt, endedAt: performance.now() }
    }
    try {
      const answer = await exchange({ ...plan, port, agent, id })
      const { status, code } = answer
      const fault = code === undefined ? faultOf(plan, id, port, answer) : undefined
      onEnd({ ...common(), status, code, fault })
    } catch (error) {
      onEnd({ ...common(), problem: error instanceof Error ? error.message : String(error) })
    }
  }
}
