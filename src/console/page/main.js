/** Wires the stream of events to the parts of the page. */
import { showAlarm, showDisconnected, showHealth } from './health.js'
import { showAnswers } from './answers.js'
import { byId } from './dom.js'
import { showErrors, showProblems } from './problems.js'
import { showKeys } from './keys.js'
import { createPlots } from './plots.js'
import { createRequests } from './requests.js'
import { showSettings } from './settings.js'
import { showTiles } from './tiles.js'

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
  showAnswers(update.answers)
  showProblems(update.problems)
  requests.add(update.requests)
}

const events = new EventSource('/console/events')
events.addEventListener('hello', ({ data }) => onHello(JSON.parse(data)))
events.addEventListener('update', ({ data }) => onUpdate(JSON.parse(data)))
events.addEventListener('error', showDisconnected)

showErrors(await (await fetch('/console/errors.json')).json())
