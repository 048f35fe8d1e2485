/** A record → what was measured, what was allowed, and whether it is kept. Pure. */
import { BREACHES, type BreachKind } from './ledger.ts'
import { SCRAPE_INTERVAL_MS, type SoakRecord } from './record.ts'
import { slopeOf, type Slope } from './slope.ts'
import type { Row } from './timeline.ts'

export interface Finding {
  readonly name: string
  readonly measured: string
  readonly limit: string
  /** `undefined`: it could not be measured here. */
  readonly ok: boolean | undefined
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

const signed = (value: number): string => `${value < 0 ? '−' : '+'}${Math.abs(value).toFixed(2)}`

const trendFinding = (
  record: SoakRecord,
  measure: Measure,
  { name, unit, limit }: { name: string; unit: string; limit: number },
): Finding => {
  const trend = trendOf(record, measure)
  const allowed = `lower bound ≤ ${signed(limit)}`
  if (trend === undefined) {
    return { name, measured: 'not measured', limit: allowed, ok: undefined }
  }
  const { slope, low, high } = trend
  const measured = `${signed(slope)} ${unit}/min (95 %: ${signed(low)} to ${signed(high)})`
  return { name, measured, limit: allowed, ok: low <= limit }
}

const trends = (record: SoakRecord): readonly Finding[] => {
  const memory = { unit: 'MB', limit: memoryLimit(record) }
  const open = { unit: '', limit: MAX_DESCRIPTOR_SLOPE }
  return [
    trendFinding(record, 'resident', { name: 'resident memory', ...memory }),
    trendFinding(record, 'heap', { name: 'heap in use', ...memory }),
    trendFinding(record, 'descriptors', { name: 'file descriptors', ...open }),
    trendFinding(record, 'sockets', { name: 'sockets', ...open }),
  ]
}

const leftOver = ({ descriptors: { before, after } }: SoakRecord): Finding => {
  const limit = `≤ ${MAX_LEFT_OVER} more than before`
  if (before === undefined || after === undefined) {
    return { name: 'descriptors after the load', measured: 'not measured', limit, ok: undefined }
  }
  const measured = `${after}, before it ${before}`
  const ok = after <= before + MAX_LEFT_OVER
  return { name: 'descriptors after the load', measured, limit, ok }
}

const none = (name: string, count: number, what = ''): Finding => ({
  name,
  measured: `${count}${what}`,
  limit: '0',
  ok: count === 0,
})

const requests = (record: SoakRecord): readonly Finding[] => {
  const counts = new Map(record.breachCounts)
  return (Object.keys(BREACHES) as BreachKind[]).map((kind) => none(kind, counts.get(kind) ?? 0))
}

const scrapes = ({ scrapes }: SoakRecord): readonly Finding[] => {
  const { count, worst, faults, promtool, python, cost } = scrapes
  const judges = `promtool ${promtool}, Python's parser ${python}`
  const format = `${faults.length} in ${count}, worst ${worst.toFixed(0)} ms; ${judges}`
  const share = cost === undefined ? undefined : cost / SCRAPE_INTERVAL_MS
  const spent =
    share === undefined ? 'not measured' : `${cost?.toFixed(1)} ms, ${(share * 100).toFixed(3)} %`
  return [
    { name: 'faults in scrapes', measured: format, limit: '0', ok: faults.length === 0 },
    {
      name: 'CPU of a scrape every 5 s',
      measured: spent,
      limit: `< ${MAX_SCRAPE_SHARE * 100} %`,
      ok: share === undefined ? undefined : share < MAX_SCRAPE_SHARE,
    },
  ]
}

const process = (record: SoakRecord): readonly Finding[] => {
  const { rotations, reloads, stuck, log, death } = record
  const rotated = {
    name: 'rotations taken over',
    limit: String(rotations),
    ok: rotations === reloads,
  }
  return [
    { ...rotated, measured: String(reloads) },
    none('outages without recovery', stuck.length),
    none('secrets or tokens in the log', log.leaks.length, ` in ${log.lines} lines`),
    none('fatal lines, unhandled rejections', log.alarms.length),
    { name: 'end of the process', measured: death ?? 'stopped', limit: 'stopped', ok: !death },
  ]
}

export const judge = (record: SoakRecord): readonly Finding[] => [
  ...requests(record),
  ...trends(record),
  leftOver(record),
  ...process(record),
  ...scrapes(record),
]

/** Nothing that could be measured is beyond its limit. */
export const isPassed = (findings: readonly Finding[]): boolean =>
  findings.every(({ ok }) => ok !== false)
