/** A record → one SVG: memory, latency and descriptors over time, with the faults behind them. Pure. */
import type { SoakRecord } from './judgement.ts'
import { percentile, type Row } from './watch.ts'

export const chart = (record: SoakRecord): string => {
  const seconds = Math.max(1, record.rows.at(-1)?.at ?? 1)
  const x = (at: number): number => LEFT + (Math.min(at, seconds) / seconds) * (RIGHT - LEFT)
  const panels = PANELS.map((panel) => drawPanel(panel, record, x))
  const load = `${record.callers} callers, ${record.requests} requests, ${record.faults.length} faults${drawnFaults(record).length > 0 ? ' (grey)' : ''} in ${record.minutes} minutes, Node ${record.node}`
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-labelledby="soak">
<title id="soak">Memory, latency and descriptors of the proxy during a soak</title>
<style>${STYLE}
</style>
<rect class="page" width="${WIDTH}" height="${HEIGHT}" rx="8"/>
<text class="title" x="28" y="44">A soak: the proxy under mixed traffic and faults</text>
<text class="sub" x="28" y="68">${load}</text>
${panels.join('\n')}
${timeAxis(seconds, x)}
<text x="28" y="${HEIGHT - 16}">npm run soak, ${record.date}; the API takes up to 15 ms for an answer, and 2 s for some where it hangs</text>
</svg>
`
}

const WIDTH = 1120
const LEFT = 84
const RIGHT = 1028
const TOP = 112
/** More points than this nobody can tell apart. */
const MAX_POINTS = 240
/** More bands than this are a pattern of their own. */
const MAX_BANDS = 60

const STYLE = `
  text { font-family: -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; font-size: 12px; fill: #57606a }
  .title { font-size: 20px; font-weight: 600; fill: #1f2328 }
  .head { font-size: 13px; font-weight: 600; fill: #1f2328 }
  .sub { font-size: 13px }
  .axis { stroke: #d0d7de; stroke-width: 1 }
  .page { fill: #ffffff }
  .fault { fill: #eaeef2 }
  .line { fill: none; stroke-width: 1.75; stroke-linejoin: round; stroke-linecap: round }
  .a { stroke: #0969da } .b { stroke: #bc4c00 }
  text.a { stroke: none; fill: #0969da; font-weight: 600 } text.b { stroke: none; fill: #bc4c00; font-weight: 600 }
  @media (prefers-color-scheme: dark) {
    text { fill: #9198a1 }
    .title, .head { fill: #f0f6fc }
    .axis { stroke: #3d444d }
    .page { fill: #0d1117 }
    .fault { fill: #1c222b }
    .a { stroke: #4493f8 } .b { stroke: #f0883e }
    text.a { fill: #4493f8 } text.b { fill: #f0883e }
  }`

interface Series {
  readonly name: string
  readonly style: 'a' | 'b'
  readonly value: (row: Row) => number | undefined
  /** Of the values in one point. */
  readonly join: (values: readonly number[]) => number | undefined
}

interface Panel {
  readonly title: string
  readonly top: number
  readonly height: number
  readonly isLogarithmic?: true
  readonly series: readonly Series[]
}

const middle = (values: readonly number[]): number | undefined => percentile(values, 0.5)
const most = (values: readonly number[]): number => Math.max(...values)

const PANELS: readonly Panel[] = [
  {
    title: 'Memory, MB',
    top: TOP,
    height: 190,
    series: [
      { name: 'resident', style: 'a', value: (row) => row.resident, join: most },
      { name: 'heap', style: 'b', value: (row) => row.heap, join: middle },
    ],
  },
  {
    title: 'Latency of plain reads, ms (logarithmic)',
    top: TOP + 256,
    height: 190,
    isLogarithmic: true,
    series: [
      { name: 'p99', style: 'b', value: (row) => row.p99, join: middle },
      { name: 'p50', style: 'a', value: (row) => row.p50, join: middle },
    ],
  },
  {
    title: 'Open file descriptors, and sockets among them',
    top: TOP + 512,
    height: 90,
    series: [
      { name: 'all', style: 'a', value: (row) => row.descriptors, join: most },
      { name: 'sockets', style: 'b', value: (row) => row.sockets, join: most },
    ],
  },
]

const HEIGHT = TOP + 512 + 90 + 64

interface Dot {
  readonly at: number
  readonly value: number
}

const dotsOf = ({ value, join }: Series, rows: readonly Row[]): readonly Dot[] => {
  const size = Math.ceil(rows.length / MAX_POINTS)
  const groups = Array.from({ length: Math.ceil(rows.length / size) }, (_, i) =>
    rows.slice(i * size, (i + 1) * size),
  )
  return groups.flatMap((group) => {
    const joined = join(group.map(value).filter((each) => each !== undefined))
    return joined === undefined || !Number.isFinite(joined)
      ? []
      : [{ at: group[0]!.at, value: joined }]
  })
}

/** A round number of which four to eight fit. */
const stepFor = (largest: number): number => {
  const rough = largest / 4
  const power = 10 ** Math.floor(Math.log10(rough))
  return [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= rough) ?? rough
}

interface Scale {
  readonly y: (value: number) => number
  readonly ticks: readonly number[]
}

const scaleOf = ({ top, height, isLogarithmic }: Panel, largest: number): Scale => {
  const bottom = top + height
  if (isLogarithmic) {
    const decades = Math.max(1, Math.ceil(Math.log10(Math.max(largest, 1))))
    const ticks = Array.from({ length: decades + 1 }, (_, i) => 10 ** i)
    return { ticks, y: (value) => bottom - (Math.log10(Math.max(value, 1)) / decades) * height }
  }
  const step = stepFor(Math.max(largest, 1))
  const count = Math.ceil(largest / step)
  const ticks = Array.from({ length: count + 1 }, (_, i) => i * step)
  return { ticks, y: (value) => bottom - (value / (count * step)) * height }
}

const fixed = (value: number): string => value.toFixed(1)

/** Names at the ends of two lines may not cover each other. */
const apart = (wanted: readonly number[]): readonly number[] => {
  const [first = 0, second] = wanted
  if (second === undefined || Math.abs(first - second) >= 14) return wanted
  const center = (first + second) / 2
  return first <= second ? [center - 7, center + 7] : [center + 7, center - 7]
}

const drawnFaults = ({ faults }: SoakRecord): SoakRecord['faults'] =>
  faults.length > MAX_BANDS ? [] : faults

const drawPanel = (panel: Panel, record: SoakRecord, x: (at: number) => number): string => {
  const lines = panel.series.map((series) => dotsOf(series, record.rows))
  const scale = scaleOf(panel, Math.max(1, ...lines.flat().map(({ value }) => value)))
  const bands = drawnFaults(record).map(
    ({ from, to }) =>
      `<rect class="fault" x="${fixed(x(from))}" y="${panel.top}" width="${fixed(Math.max(0.5, x(to) - x(from)))}" height="${panel.height}"/>`,
  )
  const grid = scale.ticks.map((tick) => {
    const y = fixed(scale.y(tick))
    return `<line class="axis" x1="${LEFT}" x2="${RIGHT}" y1="${y}" y2="${y}"/><text x="${LEFT - 10}" y="${y}" dy="4" text-anchor="end">${tick}</text>`
  })
  const paths = panel.series.map(({ style }, i) => {
    const points = lines[i]?.map(({ at, value }) => `${fixed(x(at))},${fixed(scale.y(value))}`)
    return `<polyline class="line ${style}" points="${points?.join(' ')}"/>`
  })
  const heights = apart(lines.map((dots) => scale.y(dots.at(-1)?.value ?? 0)))
  const names = panel.series.map(({ name, style }, i) => {
    return `<text class="${style}" x="${RIGHT + 10}" y="${fixed(heights[i] ?? 0)}" dy="4">${name}</text>`
  })
  const head = `<text class="head" x="${LEFT}" y="${panel.top - 14}">${panel.title}</text>`
  return [head, ...bands, ...grid, ...paths, ...names].join('\n')
}

const timeAxis = (seconds: number, x: (at: number) => number): string => {
  const inMinutes = seconds >= 300
  const unit = inMinutes ? 60 : 1
  const step = stepFor(seconds / unit / 2)
  const count = Math.floor(seconds / unit / step)
  const bottom = HEIGHT - 64
  return Array.from({ length: count + 1 }, (_, i) => {
    const label = `${i * step}${i === 0 ? (inMinutes ? ' min' : ' s') : ''}`
    return `<text x="${fixed(x(i * step * unit))}" y="${bottom + 22}" text-anchor="middle">${label}</text>`
  }).join('')
}
