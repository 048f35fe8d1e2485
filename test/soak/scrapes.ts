/** What Prometheus does every five seconds, in both formats; and what that costs. */
import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'
import { processorTime } from './watch.ts'

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

  readonly failed = (error: unknown): void => {
    this.faults.push(`a scrape failed: ${String(error)}`)
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

/**
 * Whether a text is OpenMetrics 1.0, as far as a scraper relies on it, because promtool reads the
 * classic text only. Pure.
 * @returns what is wrong; nothing: it is valid
 */
export const openMetricsFaults = (text: string): readonly string[] => {
  const lines = text.split('\n')
  if (lines.pop() !== '' || lines.pop() !== '# EOF') return ['it does not end with # EOF']
  const reading = new OpenMetrics()
  for (const line of lines) reading.take(line)
  return reading.end()
}

/** @returns value of the series without labels of either format */
export const valueIn = (text: string, name: string): number | undefined => {
  const line = text.split('\n').find((other) => other.startsWith(`${name} `))
  return line === undefined ? undefined : Number(line.slice(name.length + 1))
}

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

const SUFFIXES: Readonly<Record<string, readonly string[]>> = {
  counter: ['_total', '_created'],
  gauge: [''],
  histogram: ['_bucket', '_count', '_sum', '_created'],
  summary: ['', '_count', '_sum', '_created'],
  info: ['_info'],
  unknown: [''],
}

const NAME = '[a-zA-Z_:][a-zA-Z0-9_:]*'
const LABEL = '[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\\\\n]|\\\\[\\\\"n])*"'
const SAMPLE = new RegExp(`^(${NAME})(\\{(?:${LABEL}(?:,${LABEL})*)?\\})? (\\S+)(?: [0-9.]+)?$`)
const NUMBER = /^(?:[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?|nan|[+-]?inf)$/i
const META = new RegExp(`^# (TYPE|HELP|UNIT) (${NAME}) (.*)$`)

/** One reading, line by line. */
class OpenMetrics {
  readonly #faults: string[] = []
  readonly #families = new Set<string>()
  readonly #seen = new Set<string>()
  /** Buckets of one histogram and one set of labels: they must not fall, and end with the count. */
  readonly #buckets = new Map<string, { last: number; end?: number; count?: number }>()
  #family = { name: '', type: 'unknown', isSampled: false }

  take(line: string): void {
    const [, kind, family = '', rest = ''] = META.exec(line) ?? []
    if (kind !== undefined) return this.#describe(kind, family, rest)
    const [, name, labels = '', value = ''] = SAMPLE.exec(line) ?? []
    if (name !== undefined) this.#sample(name, labels, value)
    else this.#tell(`no line of this format: ${line.slice(0, 80)}`)
  }

  end(): readonly string[] {
    const open = [...this.#buckets].filter(
      ([, { end, count }]) => end === undefined || end !== count,
    )
    return [...this.#faults, ...open.map(([key]) => `${key}: the bucket of +Inf is not the count`)]
  }

  #tell(fault: string): void {
    this.#faults.push(fault)
  }

  #describe(kind: string, name: string, text: string): void {
    if (this.#family.name !== name) {
      if (this.#families.has(name)) this.#tell(`${name}: its lines are not together`)
      this.#family = { name, type: 'unknown', isSampled: false }
      this.#families.add(name)
    }
    if (this.#family.isSampled) this.#tell(`${name}: ${kind} after its samples`)
    if (kind !== 'TYPE') return
    if (SUFFIXES[text] === undefined) this.#tell(`${name}: no such type: ${text}`)
    this.#family.type = text
    if (text === 'counter' && name.endsWith('_total')) this.#tell(`${name}: a counter's family`)
  }

  #sample(name: string, labels: string, text: string): void {
    const { name: family, type } = this.#family
    const isOfFamily = (SUFFIXES[type] ?? ['']).some((suffix) => name === family + suffix)
    if (!isOfFamily) return this.#tell(`${name}: not of the family above it`)
    this.#family.isSampled = true
    if (this.#seen.has(name + labels)) this.#tell(`${name}${labels}: twice`)
    this.#seen.add(name + labels)
    if (!NUMBER.test(text)) return this.#tell(`${name}: no number: ${text}`)
    const value = Number(text.replace(/inf/i, 'Infinity'))
    if (type === 'counter' && !(value >= 0)) this.#tell(`${name}: a counter below zero`)
    if (type === 'histogram') this.#bucket(name, labels, value)
  }

  #bucket(name: string, labels: string, value: number): void {
    const [, family = '', suffix] = /^(.*)_(bucket|count)$/.exec(name) ?? []
    if (suffix === undefined) return
    const others = labels.replace(/^\{|\}$/g, '').split(/,(?=[a-zA-Z_]+=")/)
    const key = `${family}{${others.filter((label) => !label.startsWith('le="')).join()}}`
    const series = this.#buckets.get(key) ?? { last: 0 }
    this.#buckets.set(key, series)
    if (suffix === 'count') series.count = value
    else {
      if (value < series.last) this.#tell(`${key}: its buckets fall`)
      series.last = value
      if (labels.includes('le="+Inf"')) series.end = value
    }
  }
}
