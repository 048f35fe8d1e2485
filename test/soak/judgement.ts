/** A record → what was measured, what was allowed, and whether it is kept. Pure. */
import { MAX_STOP_MS } from '../fixtures/stop-watch.ts'
import { BREACHES, type Breach, type BreachKind } from './ledger.ts'
import type { Scrapes } from './scrapes.ts'
import type { LogWatch, Row } from './watch.ts'

/** All that a soak has found; small enough to keep. */
export interface SoakRecord {
  readonly date: string
  readonly node: string
  readonly seed: number
  readonly minutes: number
  readonly callers: number
  readonly rows: readonly Row[]
  /** Seconds since the load began. */
  readonly faults: readonly { readonly name: string; readonly from: number; readonly to: number }[]
  readonly requests: number
  readonly writes: number
  /** How many of them took effect. */
  readonly applied: number
  readonly outcomes: readonly (readonly [name: string, count: number])[]
  readonly breachCounts: readonly (readonly [kind: BreachKind, count: number])[]
  readonly breaches: readonly Breach[]
  readonly rotations: number
  /** New keys that the proxy says it has taken over. */
  readonly reloads: number
  readonly tokenRequests: number
  /** Names of faults after which the proxy got no token in time. */
  readonly stuck: readonly string[]
  /** Before the load, and after it when connections have had the time to end. */
  readonly descriptors: { readonly before: number | undefined; readonly after: number | undefined }
  /** Processor time of the main thread until it answered a probe, in ms; `undefined`: no /proc. */
  readonly longestStop: number | undefined
  readonly scrapes: Pick<Scrapes, 'count' | 'worst' | 'faults' | 'promtool' | 'python' | 'cost'>
  readonly log: Pick<LogWatch, 'lines' | 'alarms' | 'leaks'> & {
    readonly levels: readonly (readonly [level: string, count: number])[]
  }
  /** Why the proxy did not live until it was told to stop, or did not stop well. */
  readonly death: string | undefined
}

export const SCRAPE_INTERVAL_MS = 5_000

export interface Finding {
  readonly name: string
  readonly measured: string
  readonly limit: string
  /** `undefined`: it could not be measured here. */
  readonly ok: boolean | undefined
}

export const judge = (record: SoakRecord): readonly Finding[] => {
  const { breachCounts, rotations, reloads, stuck, log, death } = record
  const counts = new Map(breachCounts)
  const kinds = Object.keys(BREACHES) as BreachKind[]
  return [
    ...kinds.map((kind) => none(kind, counts.get(kind) ?? 0)),
    ...trends(record),
    leftOver(record),
    finding('rotations taken over', String(reloads), String(rotations), rotations === reloads),
    none('outages without recovery', stuck.length),
    none('secrets or tokens in the log', log.leaks.length, ` in ${log.lines} lines`),
    none('fatal lines, unhandled rejections', log.alarms.length),
    finding('end of the process', death ?? 'stopped', 'stopped', death === undefined),
    ...scrapes(record),
    longestStop(record),
  ]
}

/** Nothing that could be measured is beyond its limit. */
export const isPassed = (findings: readonly Finding[]): boolean =>
  findings.every(({ ok }) => ok !== false)

const warmUpOf = ({ rows }: Pick<SoakRecord, 'rows'>): number =>
  Math.min(MAX_WARM_UP_S, (rows.at(-1)?.at ?? 0) * WARM_UP_SHARE)

type Measure = 'resident' | 'heap' | 'descriptors' | 'sockets'

/** Per minute, after the warm-up. */
export const trendOf = (record: Pick<SoakRecord, 'rows'>, measure: Measure): Slope | undefined => {
  const warmUp = warmUpOf(record)
  const point = ({ at, [measure]: y }: Row) => (y === undefined ? [] : [{ x: at / 60, y }])
  return slopeOf(record.rows.filter(({ at }) => at >= warmUp).flatMap(point))
}

/** MB per minute that the lower bound of a slope of memory may have. */
export const memoryLimit = (record: Pick<SoakRecord, 'rows'>): number => {
  const measured = ((record.rows.at(-1)?.at ?? 0) - warmUpOf(record)) / 60
  return Math.max(MIN_SLOPE_MB, GROWTH_MB / Math.max(measured, 0.1))
}

/** Share of the time that is not judged, within bounds: code is compiled, pools and caches fill. */
const WARM_UP_SHARE = 0.3
const MAX_WARM_UP_S = 300
/** Growth that is taken for that of a heap that has not found its size yet, in MB. */
const GROWTH_MB = 16
/** Of a long soak: at 200 requests a second, 40 bytes of each that stay. */
const MIN_SLOPE_MB = 0.5
const MAX_DESCRIPTOR_SLOPE = 3
const MAX_LEFT_OVER = 5
const MAX_SCRAPE_SHARE = 0.01

/** @param measured `undefined`: it could not be measured here */
const finding = (
  name: string,
  measured: string | undefined,
  limit: string,
  ok: boolean,
): Finding =>
  measured === undefined
    ? { name, measured: 'not measured', limit, ok: undefined }
    : { name, measured, limit, ok }

const none = (name: string, count: number, what = ''): Finding =>
  finding(name, `${count}${what}`, '0', count === 0)

const signed = (value: number): string => `${value < 0 ? '−' : '+'}${Math.abs(value).toFixed(2)}`

const trends = (record: SoakRecord): readonly Finding[] => {
  const memory = memoryLimit(record)
  const judged = (name: string, measure: Measure, unit: string, limit: number): Finding => {
    const { slope, low, high } = trendOf(record, measure) ?? { slope: NaN, low: NaN, high: NaN }
    const interval = `${signed(slope)} ${unit}/min (95 %: ${signed(low)} to ${signed(high)})`
    const measured = Number.isNaN(slope) ? undefined : interval
    return finding(name, measured, `lower bound ≤ ${signed(limit)}`, low <= limit)
  }
  return [
    judged('resident memory', 'resident', 'MB', memory),
    judged('heap in use', 'heap', 'MB', memory),
    judged('file descriptors', 'descriptors', '', MAX_DESCRIPTOR_SLOPE),
    judged('sockets', 'sockets', '', MAX_DESCRIPTOR_SLOPE),
  ]
}

const leftOver = ({ descriptors: { before = NaN, after = NaN } }: SoakRecord): Finding => {
  const measured = Number.isNaN(before + after) ? undefined : `${after}, before it ${before}`
  const limit = `≤ ${MAX_LEFT_OVER} more than before`
  return finding('descriptors after the load', measured, limit, after <= before + MAX_LEFT_OVER)
}

const scrapes = ({ scrapes }: SoakRecord): readonly Finding[] => {
  const { count, worst, faults, promtool, python, cost } = scrapes
  const judges = `promtool ${promtool}, Python's parser ${python}`
  const share = (cost ?? NaN) / SCRAPE_INTERVAL_MS
  const spent =
    cost === undefined ? undefined : `${cost.toFixed(1)} ms, ${(share * 100).toFixed(3)} %`
  const limit = `< ${MAX_SCRAPE_SHARE * 100} %`
  return [
    none(
      'faults in scrapes',
      faults.length,
      ` in ${count}, worst ${worst.toFixed(0)} ms; ${judges}`,
    ),
    finding('CPU of a scrape every 5 s', spent, limit, share < MAX_SCRAPE_SHARE),
  ]
}

/** Of all callers' requests at that time together, and of what they leave to be collected. */
const MAX_SOAK_STOP_MS = 2 * MAX_STOP_MS

const longestStop = ({ longestStop: longest }: SoakRecord): Finding => {
  const measured = longest === undefined ? undefined : `${longest.toFixed(0)} ms`
  const isKept = (longest ?? 0) <= MAX_SOAK_STOP_MS
  return finding('longest stop of the event loop', measured, `≤ ${MAX_SOAK_STOP_MS} ms`, isKept)
}

interface Point {
  readonly x: number
  readonly y: number
}

/** Of a straight line through samples, y per x; between `low` and `high` with 95 % confidence. */
interface Slope {
  readonly slope: number
  readonly low: number
  readonly high: number
}

/** Two-sided 95 % of the normal distribution. */
const Z = 1.959964

/** Of Student's t with ν degrees of freedom: Cornish-Fisher (Abramowitz & Stegun 26.7.5). */
const quantile = (freedom: number): number =>
  Z +
  (Z ** 3 + Z) / (4 * freedom) +
  (5 * Z ** 5 + 16 * Z ** 3 + 3 * Z) / (96 * freedom ** 2) +
  (3 * Z ** 7 + 19 * Z ** 5 + 17 * Z ** 3 - 15 * Z) / (384 * freedom ** 3)

const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0)

/**
 * Neighbouring samples of a process resemble each other, so that there is less in them than their
 * number says: it is corrected by the correlation of neighbours (lag 1) of what the line leaves over.
 */
const effectiveCount = (residuals: readonly number[], squares: number): number => {
  const count = residuals.length
  const product = sum(residuals.map((value, i) => value * (residuals[i + 1] ?? 0)))
  const correlation = squares === 0 ? 0 : Math.max(0, product / squares)
  return Math.max(3, (count * (1 - correlation)) / (1 + correlation))
}

const MIN_POINTS = 5

/** Ordinary least squares. @returns `undefined` where there are too few points */
export const slopeOf = (points: readonly Point[]): Slope | undefined => {
  if (points.length < MIN_POINTS) return undefined
  const meanX = sum(points.map(({ x }) => x)) / points.length
  const meanY = sum(points.map(({ y }) => y)) / points.length
  const spread = sum(points.map(({ x }) => (x - meanX) ** 2))
  if (spread === 0) return undefined
  const slope = sum(points.map(({ x, y }) => (x - meanX) * (y - meanY))) / spread
  const residuals = points.map(({ x, y }) => y - meanY - slope * (x - meanX))
  const squares = sum(residuals.map((value) => value ** 2))
  const freedom = effectiveCount(residuals, squares) - 2
  const reach = quantile(freedom) * Math.sqrt(squares / freedom / spread)
  return { slope, low: slope - reach, high: slope + reach }
}
