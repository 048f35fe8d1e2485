/** What is seen of the proxy from outside during a soak: /proc, latencies by the second, its log. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

export interface Row {
  /** Seconds since the load began. */
  readonly at: number
  /** MB; `undefined`: not measured in this second. */
  readonly resident?: number | undefined
  readonly heap?: number | undefined
  readonly descriptors?: number | undefined
  readonly sockets?: number | undefined
  /** Requests that ended in this second. */
  readonly requests: number
  /** Of plain reads, in ms. */
  readonly p50?: number | undefined
  readonly p99?: number | undefined
}

export const percentile = (values: readonly number[], share: number): number | undefined =>
  values.toSorted((a, b) => a - b)[Math.max(0, Math.ceil(values.length * share) - 1)]

/** Memory that is resident in MB, and descriptors; `undefined`: no such process, or no /proc. */
export const sampleProcess = (pid: number) =>
  ofProcess(() => {
    const folder = `/proc/${pid}/fd`
    const names = readdirSync(folder)
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    return {
      resident: (Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024) / 1e6,
      descriptors: names.length,
      sockets: names.filter((name) => isSocket(`${folder}/${name}`)).length,
    }
  })

/** User and system time so far, in ms. */
export const processorTime = (pid: number): number | undefined =>
  ofProcess(() => {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The name in brackets may hold spaces; utime and stime are the 12th and 13th field after it.
    const fields = stat.replace(/^.*\) /s, '').split(' ')
    return (Number(fields[11]) + Number(fields[12])) * MS_PER_TICK
  })

/** Samples and latencies over the time of a soak, a row for each second. */
export class Timeline {
  readonly rows: Row[] = []
  readonly #pid: number
  readonly #startedAt = performance.now()
  #latencies: number[] = []
  #requests = 0
  #heap: number | undefined

  constructor(pid: number) {
    this.#pid = pid
  }

  /** @param latency in ms; `undefined`: not one to compare with others */
  ended(latency: number | undefined): void {
    this.#requests += 1
    if (latency !== undefined) this.#latencies.push(latency)
  }

  /** @param bytes in use at the moment */
  scraped(bytes: number | undefined): void {
    this.#heap = bytes === undefined ? undefined : bytes / 1e6
  }

  /** To be called every second. */
  sample(): void {
    this.rows.push({
      at: (performance.now() - this.#startedAt) / 1000,
      ...sampleProcess(this.#pid),
      heap: this.#heap,
      requests: this.#requests,
      p50: percentile(this.#latencies, 0.5),
      p99: percentile(this.#latencies, 0.99),
    })
    this.#latencies = []
    this.#requests = 0
    this.#heap = undefined
  }
}

/** Reads the proxy's log as it is written, and keeps of it only what must not be there. */
export class LogWatch {
  lines = 0
  readonly levels = new Map<string, number>()
  /** Fatal lines, unhandled rejections, and lines that are none of the log's: of Node, mostly. */
  readonly alarms: string[] = []
  /** Numbers of lines with a secret or a token. */
  readonly leaks: number[] = []
  readonly #secrets: () => readonly string[]
  #rest = ''
  #batch: string[] = []
  #length = 0

  /** @param secrets issued so far; none of them may be in any line */
  constructor(secrets: () => readonly string[]) {
    this.#secrets = secrets
  }

  add(chunk: string): void {
    const lines = (this.#rest + chunk).split('\n')
    this.#rest = lines.pop() ?? ''
    for (const line of lines) this.#take(line)
    if (this.#length > BATCH_LENGTH) this.#scan()
  }

  /** To be called at the end. */
  finish(): void {
    if (this.#rest !== '') this.add('\n')
    this.#scan()
  }

  #take(line: string): void {
    this.lines += 1
    this.#batch.push(line)
    this.#length += line.length
    const level = /^\{.*?"level":"(\w+)"/.exec(line)?.[1] ?? 'none'
    this.levels.set(level, (this.levels.get(level) ?? 0) + 1)
    const isAlarm = level === 'none' || level === 'fatal' || /unhandled|uncaught/i.test(line)
    if (isAlarm && this.alarms.length < MAX_KEPT) this.alarms.push(line.slice(0, MAX_LENGTH))
  }

  /** All lines at once, because there are many of both. */
  #scan(): void {
    const text = this.#batch.join('\n')
    for (const secret of this.#secrets()) {
      if (!text.includes(secret)) continue
      const index = this.#batch.findIndex((line) => line.includes(secret))
      this.leaks.push(this.lines - this.#batch.length + index + 1)
    }
    this.#batch = []
    this.#length = 0
  }
}

const BATCH_LENGTH = 256 * 1024
const MAX_KEPT = 20
const MAX_LENGTH = 300
/** USER_HZ: 100 on every Linux that Node supports (proc(5)). */
const MS_PER_TICK = 10

/** A process, and what it has open, may be gone between two looks. */
const ofProcess = <T>(look: () => T): T | undefined => {
  try {
    return look()
  } catch {
    return undefined
  }
}

const isSocket = (path: string): boolean =>
  ofProcess(() => readlinkSync(path))?.startsWith('socket:') === true
