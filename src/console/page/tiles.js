/** The figures of the last second. */
import { byId, setText } from './dom.js'
import { count, latency } from './format.js'

/** The newest value there is: a second without requests has none. */
const newest = (samples, name) =>
  samples.findLast(({ second }) => second[name] !== null)?.second[name]

const showLatency = (name, ms) => {
  const { value, unit } = ms === undefined ? { value: '–', unit: '' } : latency(ms)
  setText(byId(`tile-${name}`), value)
  setText(byId(`unit-${name}`), unit)
}

export const showTiles = (samples, { answers }) => {
  const last = samples.at(-1)
  setText(byId('tile-rate'), last === undefined ? '–' : count(last.second.finished))
  setText(byId('tile-flight'), last === undefined ? '–' : count(last.inFlight))
  showLatency('p50', newest(samples, 'p50'))
  showLatency('p95', newest(samples, 'p95'))
  const all = answers.reduce((sum, answer) => sum + answer.count, 0)
  const failed = answers
    .filter(({ status }) => status >= 500)
    .reduce((sum, answer) => sum + answer.count, 0)
  setText(byId('tile-failed'), all === 0 ? '–' : count(failed))
  setText(byId('unit-failed'), all === 0 ? '' : `of ${count(all)}`)
  byId('tile-failed').dataset.tone = failed > 0 ? 'bad' : 'good'
}
