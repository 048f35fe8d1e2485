/** Wires the stream of events to the parts of the page. */
import { byId, count, element, latency, setText } from './format.js'
import { showAlarm, showDisconnected, showHealth } from './health.js'
import { showKeys } from './keys.js'
import { createPlots } from './plots.js'
import { showResponses, showErrors, showProblems } from './problems.js'
import { createRequests } from './requests.js'

const MAX_SAMPLES = 300
let samples = []
const plots = createPlots()
const requests = createRequests()

const onHello = ({ program, settings }) => {
  const [, version = ''] = program.split('/')
  byId('version').textContent = version
  showSettings(settings)
  // Also after a break: what is shown of before is the past of this very stream, or of a program
  // that is gone.
  samples = []
  requests.restart()
}

const onUpdate = (update) => {
  samples = [...samples, ...update.samples].slice(-MAX_SAMPLES)
  showHealth(update)
  showAlarm(update)
  showTiles(samples, update)
  showKeys(update.keys)
  plots.show(samples)
  showResponses(update.answers)
  showProblems(update.problems)
  requests.add(update.requests)
}

const events = new EventSource('/console/events')
events.addEventListener('hello', ({ data }) => onHello(JSON.parse(data)))
events.addEventListener('update', ({ data }) => onUpdate(JSON.parse(data)))
events.addEventListener('error', showDisconnected)

showErrors(await (await fetch('/console/errors.json')).json())

/* FOLDED: The settings in effect. */

const entry = ({ name, value, isDefault }) =>
  element(
    'div',
    isDefault ? {} : { class: 'changed' },
    element('dt', {}, element('code', {}, name)),
    element(
      'dd',
      {},
      value,
      ...(isDefault ? [] : [element('span', { class: 'unseen' }, ' (changed)')]),
    ),
  )

export const showSettings = (settings) => byId('settings').replaceChildren(...settings.map(entry))

/* FOLDED: The figures of the last second. */

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
