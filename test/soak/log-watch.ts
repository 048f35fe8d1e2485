/** Reads the proxy's log as it is written, and keeps of it only what must not be there. */

const BATCH_LENGTH = 256 * 1024
const MAX_KEPT = 20
const MAX_LENGTH = 300

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
