/** Whether all is well, at a glance; and if not, why, and what to do. */
import { byId, element, fill, setText } from './format.js'
import { remedyLink } from './problems.js'

export const showHealth = (update) => {
  delete document.body.dataset.stale
  const failing = update.keys.some(({ token }) => token.reason !== null)
  const [text, tone] = health(update)
  if (tone === 'good' && failing) setPill('Ready, renewal fails', 'warn')
  else setPill(text, tone)
}

export const showAlarm = (update) => {
  const reasons = warningsOf(update)
  const alarm = byId('alarm')
  alarm.hidden = reasons.length === 0
  alarm.dataset.tone = update.readiness.ready ? 'warn' : 'bad'
  setText(byId('alarm-title'), titleOf(update))
  fill(byId('alarm-reasons'), reasons, (texts) =>
    texts.map((text) => element('li', {}, `${sentence(text)}.`)),
  )
  const codes = [...new Set(update.keys.map(({ token }) => CODES[token.outcome]))]
  fill(byId('alarm-remedy'), codes.filter(Boolean), (codes) =>
    codes.flatMap((code) => ['What to do: ', remedyLink(code), ' ']),
  )
}

export const showDisconnected = () => {
  document.body.dataset.stale = ''
  setPill('No connection', 'bad')
  const alarm = byId('alarm')
  alarm.hidden = false
  alarm.dataset.tone = 'bad'
  setText(byId('alarm-title'), 'No connection to the proxy')
  fill(byId('alarm-reasons'), DISCONNECTED, (text) => [element('li', {}, text)])
  fill(byId('alarm-remedy'), [], () => [])
}

const DISCONNECTED =
  'It has stopped, cannot be reached, or has ten of these pages open already. What is below is from before; this page goes on trying.'

const health = ({ phase, readiness }) => {
  if (phase !== 'running') return ['Stopping', 'wait']
  if (!readiness.ready) return ['Not ready', 'bad']
  return readiness.reasons.length > 0 ? ['Ready, with problems', 'warn'] : ['Ready', 'good']
}

const setPill = (text, tone) => {
  const pill = byId('health')
  setText(pill, text)
  pill.dataset.tone = tone
  document.title = `${text} – service-key-proxy`
}

const warningsOf = ({ readiness, keys }) => {
  const late = keys
    .filter(({ token }) => token.reason !== null && ['fresh', 'soft'].includes(token.freshness))
    .map(
      ({ name, token }) =>
        `key "${name}": the token is still good, but its renewal fails: the token server ${token.reason}`,
    )
  return [...readiness.reasons, ...late]
}

const titleOf = ({ phase, readiness }) => {
  if (phase !== 'running') return 'The proxy is stopping'
  return readiness.ready ? 'Needs attention' : 'Requests are not answered'
}

const sentence = (text) => `${text[0].toUpperCase()}${text.slice(1)}`

const CODES = {
  rejected: 'credential_rejected',
  misconfigured: 'token_endpoint_invalid',
  rate_limited: 'token_rate_limited',
  transient: 'token_unavailable',
}
