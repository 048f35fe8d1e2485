/** What Prometheus does every five seconds, in both formats; and what that costs. */
import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'
import { openMetricsFaults, valueIn } from './openmetrics.ts'
import { processorTime } from './process-sample.ts'

const CLASSIC = 'text/plain;version=0.0.4'
const OPENMETRICS = 'application/openmetrics-text;version=1.0.0'
const COSTED_SCRAPES = 100
const SCRAPE_LIMIT_MS = 10_000

/** Reads standard input with the parser that Prometheus' own client library for Python has. */
const PYTHON_PARSER = `
import sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read
list(read(sys.stdin.read()))
`

/** @returns what the program says against its input; `undefined`: there is no such program */
const ask = async (
  [command, ...args]: readonly [string, ...string[]],
  input: string,
): Promise<string | undefined> => {
  const child = spawn(command, args)
  const started = new Promise<boolean>((resolve) => {
    child.once('spawn', () => resolve(true)).once('error', () => resolve(false))
  })
  child.stdin.on('error', () => {}).end(input)
  const words = Promise.all([text(child.stdout), text(child.stderr)])
  return (await started) ? (await words).join('') : undefined
}

export class Scrapes {
  count = 0
  worst = 0
  readonly faults: string[] = []
  promtool: 'used' | 'missing' = 'missing'
  python: 'used' | 'missing' = 'missing'
  /** CPU time of one, in ms. */
  cost: number | undefined
  readonly #port: number
  #pythonChecks = true

  constructor(port: number) {
    this.#port = port
  }

  /** One in each format. @returns bytes of heap in use */
  async scrape(): Promise<number | undefined> {
    const startedAt = performance.now()
    const classic = await this.#get(CLASSIC)
    const middle = performance.now()
    const openMetrics = await this.#get(OPENMETRICS)
    this.worst = Math.max(this.worst, middle - startedAt, performance.now() - middle)
    this.count += 2
    this.#tell(openMetricsFaults(openMetrics))
    await Promise.all([this.#askPromtool(classic), this.#askPython(openMetrics)])
    return valueIn(classic, 'nodejs_heap_size_used_bytes')
  }

  /** With all the series that the load has left behind. */
  async measureCost(pid: number): Promise<void> {
    const before = processorTime(pid)
    for (let i = 0; i < COSTED_SCRAPES; i += 1) await this.#get(i % 2 === 0 ? CLASSIC : OPENMETRICS)
    const after = processorTime(pid)
    if (before !== undefined && after !== undefined) this.cost = (after - before) / COSTED_SCRAPES
  }

  /** @returns the sum of a counter over its labels that contain `labels` */
  async counter(name: string, labels: string): Promise<number> {
    const lines = (await this.#get(CLASSIC)).split('\n')
    return lines
      .filter((line) => line.startsWith(`${name}{`) && line.includes(labels))
      .reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0)
  }

  async #get(accept: string): Promise<string> {
    const answer = await fetch(`http://127.0.0.1:${this.#port}/metrics`, {
      headers: { accept },
      signal: AbortSignal.timeout(SCRAPE_LIMIT_MS),
    })
    if (answer.status !== 200) this.#tell([`a scrape was answered with ${answer.status}`])
    return answer.text()
  }

  #tell(faults: readonly string[]): void {
    for (const fault of faults) if (!this.faults.includes(fault)) this.faults.push(fault)
  }

  /** It has opinions about names of Node's own metrics, which are not ours to choose. */
  async #askPromtool(classic: string): Promise<void> {
    const words = await ask(['promtool', 'check', 'metrics'], classic)
    if (words === undefined) return
    this.promtool = 'used'
    const against = /error while linting|service_key_proxy/
    this.#tell(words.split('\n').filter((line) => against.test(line)))
  }

  async #askPython(openMetrics: string): Promise<void> {
    if (!this.#pythonChecks) return
    const words = await ask(['python3', '-c', PYTHON_PARSER], openMetrics)
    if (words === undefined || words.includes('ModuleNotFoundError')) this.#pythonChecks = false
    else {
      this.python = 'used'
      this.#tell(words.trim() === '' ? [] : [words.trim().split('\n').at(-1) ?? ''])
    }
  }
}
