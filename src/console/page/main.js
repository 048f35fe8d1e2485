/** Wires the stream of events to the parts of the page; the figures of the last second and the settings are its own. */
import { byId, count, element, latency, setText } from './format.js'
import { showAlarm, showDisconnected, showHealth } from './health.js'
import { showKeys } from './keys.js'
import { createPlots } from './plots.js'
import { showResponses, showErrors, showProblems } from './problems.js'
import { createRequests } from './requests.js'

const MAX_SAMPLES = 300
let samples = []
const showPlots = createPlots()
const requests = createRequests()

const onHello = ({ program, settings }) => {
  const [, version = ''] = program.split('/')
  byId('version').textContent = version
  byId('settings').replaceChildren(...settings.map(setting))
  // Also after a break: what is shown of before is the past of this very stream, or of a program
  // that is gone.
  samples = []
  requests.restart()
}

const onUpdate = (update) => {
  samples = [...samples, ...update.samples].slice(-MAX_SAMPLES)
  showHealth(update)
  showAlarm(update)
  showTiles(update)
  showKeys(update.keys)
  showPlots(samples)
  showResponses(update.answers)
  showProblems(update.problems)
  requests.add(update.requests)
}

const setting = ({ name, value, isDefault }) => {
  const term = element('dt', {}, element('code', {}, name))
  if (isDefault) return element('div', {}, term, element('dd', {}, value))
  const mark = element('span', { class: 'unseen' }, ' (changed)')
  return element('div', { class: 'changed' }, term, element('dd', {}, value, mark))
}

const showTiles = ({ answers }) => {
  const last = samples.at(-1)
  setText(byId('tile-rate'), last === undefined ? '–' : count(last.second.finished))
  setText(byId('tile-flight'), last === undefined ? '–' : count(last.inFlight))
  showLatency('p50')
  showLatency('p95')
  const all = total(answers)
  const failed = total(answers.filter(({ status }) => status >= 500))
  setText(byId('tile-failed'), all === 0 ? '–' : count(failed))
  setText(byId('unit-failed'), all === 0 ? '' : `of ${count(all)}`)
  byId('tile-failed').dataset.tone = failed > 0 ? 'bad' : 'good'
}

/** The newest there is: a second without requests has none. */
const showLatency = (name) => {
  const ms = samples.findLast(({ second }) => second[name] !== null)?.second[name]
  const { value, unit } = ms === undefined ? { value: '–', unit: '' } : latency(ms)
  setText(byId(`tile-${name}`), value)
  setText(byId(`unit-${name}`), unit)
}

const total = (answers) => answers.reduce((sum, answer) => sum + answer.count, 0)

// Last, because events may come while the texts are awaited: all of the above has to be there.
const events = new EventSource('/console/events')
events.addEventListener('hello', ({ data }) => onHello(JSON.parse(data)))
events.addEventListener('update', ({ data }) => onUpdate(JSON.parse(data)))
events.addEventListener('error', showDisconnected)

showErrors(await (await fetch('/console/errors.json')).json())
