/** Results → one SVG: a row for each peer, a column of bars for each cost. Pure. */
import {
  BASELINE,
  OURS,
  medianOf,
  outcomeOf,
  ratioOf,
  startOf,
  type Figure,
  type Results,
} from './results.ts'

interface Column {
  readonly title: string
  readonly unit: string
  readonly left: number
  readonly width: number
  readonly value: (results: Results, peer: string) => Figure
}

const WIDTH = 1120
const TOP = 128
const ROW = 34
const BAR = 16
const LABELS = 320

const COLUMNS: readonly Column[] = [
  {
    title: 'CPU time per request',
    unit: 'µs',
    left: LABELS + 14,
    width: 310,
    value: (results, peer) => medianOf(outcomeOf(results, 'get-32', peer), 'cpu'),
  },
  {
    title: 'Start to first answer',
    unit: 'ms',
    left: LABELS + 432,
    width: 110,
    value: (results, peer) => startOf(results, peer, 'time'),
  },
  {
    title: 'Memory at peak',
    unit: 'MB',
    left: LABELS + 636,
    width: 84,
    value: (results, peer) => outcomeOf(results, 'get-32', peer)?.peak,
  },
]

const STYLE = `
  text { font-family: -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; font-size: 13px; fill: #57606a }
  .title { font-size: 20px; font-weight: 600; fill: #1f2328 }
  .head { font-size: 12px; font-weight: 600; fill: #1f2328 }
  .name { fill: #1f2328 }
  .ours { fill: #0a3069; font-weight: 600 }
  .value { font-variant-numeric: tabular-nums; font-size: 12px }
  .bar { fill: #afb8c1 }
  .bar.ours { fill: #0969da }
  .band { fill: #ddf4ff }
  .axis { stroke: #d0d7de }
  .page { fill: #ffffff }
  @media (prefers-color-scheme: dark) {
    text { fill: #9198a1 }
    .title, .head, .name { fill: #f0f6fc }
    .ours { fill: #79c0ff }
    .bar { fill: #59636e }
    .bar.ours { fill: #4493f8 }
    .band { fill: #121d2f }
    .axis { stroke: #3d444d }
    .page { fill: #0d1117 }
  }`

const escape = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')

const bar = (
  column: Column,
  results: Results,
  peer: string,
  largest: number,
  y: number,
): string => {
  const value = column.value(results, peer)
  if (value === undefined) return ''
  const width = Math.max(2, (value / largest) * column.width)
  const ours = OURS.has(peer) ? ' ours' : ''
  const quotient = ratioOf(results, 'get-32', { peer, base: BASELINE })
  const shown = column === COLUMNS[0] && quotient !== undefined && peer !== BASELINE
  const ratio = shown ? `  ${quotient.toFixed(2)}×` : ''
  const x = column.left
  return `<rect class="bar${ours}" x="${x}" y="${y - BAR / 2}" width="${width.toFixed(1)}" height="${BAR}" rx="2"/>
<text class="value${ours}" x="${(x + width + 6).toFixed(1)}" y="${y + 4}" xml:space="preserve">${value.toFixed(0)}${ratio}</text>`
}

/** @returns `undefined` where the run has not measured what is shown */
export const chart = (results: Results): string | undefined => {
  const [main] = COLUMNS as [Column]
  const rows = results.peers
    .filter(({ id }) => main.value(results, id) !== undefined)
    .toSorted((a, b) => Number(main.value(results, a.id)) - Number(main.value(results, b.id)))
  if (rows.length === 0) return undefined
  const height = TOP + rows.length * ROW + 52
  const largest = COLUMNS.map((column) =>
    Math.max(...rows.map(({ id }) => column.value(results, id) ?? 0)),
  )
  const heads = COLUMNS.map(
    ({ title, unit, left }) =>
      `<text class="head" x="${left}" y="${TOP - 26}">${title}, ${unit}</text>
<line class="axis" x1="${left - 0.5}" y1="${TOP - 14}" x2="${left - 0.5}" y2="${height - 46}"/>`,
  )
  const lines = rows.map(({ id, name }, index) => {
    const y = TOP + index * ROW + ROW / 2 - 8
    const ours = OURS.has(id)
    const band = ours
      ? `<rect class="band" x="16" y="${y - ROW / 2}" width="${WIDTH - 32}" height="${ROW}" rx="4"/>`
      : ''
    const bars = COLUMNS.map((column, i) => bar(column, results, id, largest[i] ?? 1, y))
    return `${band}<text class="name${ours ? ' ours' : ''}" x="28" y="${y + 4}">${escape(name)}</text>${bars.join('')}`
  })
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-labelledby="title">
<title id="title">What a request through each proxy costs</title>
<style>${STYLE}
</style>
<rect class="page" width="${WIDTH}" height="${height}" rx="8"/>
<text class="title" x="28" y="46">What a request through each proxy costs</text>
<text x="28" y="70">GET of 2 KB over 32 connections, Node ${results.node}. Shorter is better; × is relative to plain @fastify/http-proxy.</text>
${heads.join('\n')}
${lines.join('\n')}
<text x="28" y="${height - 20}" class="value">${escape(results.setting[0] ?? '')}; medians of interleaved rounds, ${results.date}</text>
</svg>
`
}
