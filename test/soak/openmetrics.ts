/**
 * Whether a text is OpenMetrics 1.0, as far as a scraper relies on it, because promtool reads the
 * classic text only. Pure.
 */

interface Family {
  readonly name: string
  type: string
  isSampled: boolean
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

const valueOf = (text: string): number => Number(text.replace(/inf/i, 'Infinity'))

/** Buckets of one histogram and one set of labels: they must not fall, and end with the count. */
class Buckets {
  readonly #series = new Map<string, { last: number; end?: number; count?: number }>()

  take(name: string, labels: string, value: number): string | undefined {
    const [, family = '', suffix] = /^(.*)_(bucket|count)$/.exec(name) ?? []
    if (suffix === undefined) return undefined
    const others = labels.replace(/^\{|\}$/g, '').split(/,(?=[a-zA-Z_]+=")/)
    const key = `${family}{${others.filter((label) => !label.startsWith('le="')).join()}}`
    const series = this.#series.get(key) ?? { last: 0 }
    this.#series.set(key, series)
    if (suffix === 'count') series.count = value
    else {
      const fell = value < series.last
      series.last = value
      if (labels.includes('le="+Inf"')) series.end = value
      if (fell) return `${key}: its buckets fall`
    }
    return undefined
  }

  faults(): readonly string[] {
    return [...this.#series]
      .filter(([, { end, count }]) => end === undefined || end !== count)
      .map(([key]) => `${key}: the bucket of +Inf is not the count`)
  }
}

class Reading {
  readonly faults: string[] = []
  readonly #families = new Map<string, Family>()
  readonly #seen = new Set<string>()
  readonly #buckets = new Buckets()
  #current: Family | undefined

  take(line: string): void {
    const meta = META.exec(line)
    if (meta !== null)
      return this.#describe(meta[1] as string, meta[2] as string, meta[3] as string)
    const sample = SAMPLE.exec(line)
    if (sample === null) return this.#tell(`no line of this format: ${line.slice(0, 80)}`)
    this.#sample(sample[1] as string, sample[2] ?? '', sample[3] as string)
  }

  end(): readonly string[] {
    return [...this.faults, ...this.#buckets.faults()]
  }

  #tell(fault: string): void {
    this.faults.push(fault)
  }

  #describe(kind: string, name: string, text: string): void {
    if (this.#current?.name !== name) {
      if (this.#families.has(name)) this.#tell(`${name}: its lines are not together`)
      this.#current = { name, type: 'unknown', isSampled: false }
      this.#families.set(name, this.#current)
    }
    if (this.#current.isSampled) this.#tell(`${name}: ${kind} after its samples`)
    if (kind !== 'TYPE') return
    if (SUFFIXES[text] === undefined) this.#tell(`${name}: no such type: ${text}`)
    this.#current.type = text
    if (text === 'counter' && name.endsWith('_total')) this.#tell(`${name}: a counter's family`)
  }

  #sample(name: string, labels: string, text: string): void {
    const family = this.#current
    const suffixes = SUFFIXES[family?.type ?? ''] ?? ['']
    if (family === undefined || !suffixes.some((suffix) => name === family.name + suffix)) {
      return this.#tell(`${name}: not of the family above it`)
    }
    family.isSampled = true
    if (this.#seen.has(name + labels)) this.#tell(`${name}${labels}: twice`)
    this.#seen.add(name + labels)
    if (NUMBER.test(text)) this.#value(family.type, name, labels, valueOf(text))
    else this.#tell(`${name}: no number: ${text}`)
  }

  #value(type: string, name: string, labels: string, value: number): void {
    if (type === 'counter' && !(value >= 0)) this.#tell(`${name}: a counter below zero`)
    const fault = type === 'histogram' ? this.#buckets.take(name, labels, value) : undefined
    if (fault !== undefined) this.#tell(fault)
  }
}

/** @returns what is wrong; nothing: it is valid */
export const openMetricsFaults = (text: string): readonly string[] => {
  const lines = text.split('\n')
  if (lines.pop() !== '' || lines.pop() !== '# EOF') return ['it does not end with # EOF']
  const reading = new Reading()
  for (const line of lines) reading.take(line)
  return reading.end()
}

/** @returns value of the series without labels of either format */
export const valueIn = (text: string, name: string): number | undefined => {
  const line = text.split('\n').find((other) => other.startsWith(`${name} `))
  return line === undefined ? undefined : Number(line.slice(name.length + 1))
}
