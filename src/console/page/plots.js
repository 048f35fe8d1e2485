/** Requests per second and latency over time, drawn by uPlot. Colours are those of the style sheet. */
import uPlot from './uplot.js'
import { byId, latencyText } from './format.js'

/** @returns shows samples */
export const createPlots = () => {
  const plots = PLOTS.map(createPlot)
  return (samples) => plots.forEach((show) => show(samples))
}

const createPlot = ({ id, series, text, least, columns, words }) => {
  const place = byId(id)
  let data = [[], ...columns.map(() => [])]
  let plot
  const draw = () => {
    plot?.destroy()
    plot = new uPlot(options(place.clientWidth, series(), text, least), data, place)
  }
  new ResizeObserver(() => plot?.setSize({ width: place.clientWidth, height: HEIGHT })).observe(
    place,
  )
  DARK.addEventListener('change', draw)
  return (samples) => {
    place.dataset.empty = samples.length < 2 ? 'yes' : 'no'
    if (samples.length < 2) return
    data = [
      samples.map(({ at }) => at / 1000),
      ...columns.map((pick) => samples.map(({ second }) => pick(second))),
    ]
    place.setAttribute('aria-label', words(samples.at(-1).second))
    if (plot === undefined) draw()
    else plot.setData(data)
  }
}

const HEIGHT = 190
const DARK = matchMedia('(prefers-color-scheme: dark)')

const PLOTS = [
  {
    id: 'plot-rate',
    least: 5,
    text: (value) => `${value} /s`,
    series: () => [line('--series-1', '--series-1-fill')],
    columns: [(second) => second.finished],
    words: ({ finished }) => `Requests per second; ${finished} in the last second`,
  },
  {
    id: 'plot-latency',
    least: 10,
    text: (value) => latencyText(value).replace('0 ms', value === 0 ? '0' : '0 ms'),
    series: () => [line('--series-3'), line('--series-2'), line('--series-1')],
    columns: [(second) => second.p99, (second) => second.p95, (second) => second.p50],
    words: ({ p50, p95, p99 }) =>
      `Time to answer; in the last second ${latencyText(p50)} at the median, ${latencyText(p95)} for 95 %, ${latencyText(p99)} for 99 %`,
  },
]

const line = (name, fill) => ({
  stroke: colour(name),
  width: 2,
  ...(fill === undefined ? {} : { fill: colour(fill) }),
  points: { show: false },
  spanGaps: true,
})

const options = (width, series, text, least) => ({
  width,
  height: HEIGHT,
  cursor: { show: false },
  legend: { show: false },
  padding: [12, 28, 0, 0],
  scales: {
    x: { range: timeRange },
    y: { range: (_plot, _min, max) => [0, Math.max(least, (max ?? 0) * 1.15)] },
  },
  axes: [
    axis({ values: timeText, space: 80, size: 30 }),
    axis({ values: (_plot, splits) => splits.map(text), size: 62, space: 36 }),
  ],
  series: [{}, ...series],
})

const axis = (more) => ({
  stroke: colour('--quiet'),
  grid: { stroke: colour('--line'), width: 1 },
  ticks: { show: false },
  font: '12px system-ui, sans-serif',
  ...more,
})

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim()

/** At least a minute, so that the first seconds do not jump. */
const timeRange = (_plot, _min, max) => [Math.min(_min, max - SPAN_S), max]

const SPAN_S = 60

const TIMES = [
  ['{HH}:{mm}:{ss}', 1],
  ['{HH}:{mm}', 60],
]
const timeText = (_plot, splits, _axis, _space, step) =>
  splits.map((at) =>
    uPlot.fmtDate((TIMES.findLast(([, least]) => step >= least) ?? TIMES[0])[0])(
      new Date(at * 1000),
    ),
  )
