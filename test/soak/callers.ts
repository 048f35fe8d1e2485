/** Ten callers, each with connections of its own, who do one thing after the other. */
import http from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { call, read, write, type Call, type Plan } from '../fixtures/caller.ts'
import { createRandom, pick, type Random } from '../fixtures/random.ts'

export interface CallersOptions {
  readonly port: number
  readonly count: number
  readonly seed: number
  readonly onBegin: (id: string) => void
  readonly onEnd: (call: Call) => void
}

export class Callers {
  readonly #options: CallersOptions
  readonly #done: Promise<unknown>
  #isStopping = false
  #made = 0

  constructor(options: CallersOptions) {
    this.#options = options
    this.#done = Promise.all(Array.from({ length: options.count }, (_, i) => this.#live(i)))
  }

  /** Resolves when the last answer is there. */
  async stop(): Promise<void> {
    this.#isStopping = true
    await this.#done
  }

  async #live(index: number): Promise<void> {
    const { port, seed, onBegin, onEnd } = this.#options
    const random = createRandom(seed + index)
    const agent = new http.Agent({ keepAlive: true })
    while (!this.#isStopping) {
      this.#made += 1
      const id = `soak-${this.#made}`
      onBegin(id)
      onEnd(await call({ port, agent }, id, planFor(id, random)))
      await sleep(random() * MAX_PAUSE_MS)
    }
    agent.destroy()
  }
}

const MAX_PAUSE_MS = 30
const MEGABYTE = 1024 * 1024
const WRITES = ['POST', 'POST', 'PATCH', 'MERGE', 'PUT', 'DELETE']

const planFor = (id: string, random: Random): Plan => {
  const chance = random()
  if (chance < 0.6) return anyRead(id, random)
  if (chance < 0.82) return write(id, pick(random, WRITES))
  if (chance < 0.88) return batch(id)
  if (chance < 0.9) return upload(random)
  if (chance < 0.92) return download(random)
  return chance < 0.93 ? slowReader(random) : departure(id, random)
}

const anyRead = (id: string, random: Random): Plan => {
  const chance = random()
  return read(id, chance < 0.9 ? 'GET' : chance < 0.95 ? 'HEAD' : 'OPTIONS')
}

const batch = (id: string): Plan => ({
  action: 'batch',
  method: 'POST',
  path: '/$batch',
  type: 'multipart/mixed; boundary=batch_1',
  body: batchOf(id),
})

// prettier-ignore
const batchOf = (id: string): string => [
  '--batch_1', 'Content-Type: multipart/mixed; boundary=changeset_1', '',
  '--changeset_1', 'Content-Type: application/http', 'Content-Transfer-Encoding: binary', '',
  'POST Entity HTTP/1.1', 'Content-Type: application/json',
  `Content-Length: ${JSON.stringify({ Id: id }).length}`, '', JSON.stringify({ Id: id }),
  '--changeset_1--', '', '--batch_1--', '',
].join('\r\n')

const upload = (random: Random): Plan => {
  const bytes = Math.ceil(random() * 4 * MEGABYTE)
  const type = 'application/octet-stream'
  return { action: 'upload', method: 'POST', path: `/Upload?bytes=${bytes}`, type, upload: bytes }
}

const download = (random: Random): Plan => {
  const bytes = Math.ceil(random() * 8 * MEGABYTE)
  return { action: 'download', method: 'GET', path: `/Large?bytes=${bytes}`, bytes }
}

const slowReader = (random: Random): Plan => ({
  ...download(random),
  action: 'slow reader',
  pause: 20 + random() * 60,
})

/** Before the answer, in the middle of it, or in the middle of the body. */
const departure = (id: string, random: Random): Plan => {
  const plans = [
    anyRead(id, random),
    write(id, pick(random, WRITES)),
    upload(random),
    download(random),
  ]
  return { ...pick(random, plans), action: 'departure', leaveAfter: 1 + random() * 25 }
}
