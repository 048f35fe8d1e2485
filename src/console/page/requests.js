/** The last 100 requests: newest first, with a filter, and a pause to read in peace. */
import { byId, clockTime, element, latencyText, setText, toneOf } from './format.js'

export const createRequests = () => {
  let all = []
  /** What is shown while paused; `undefined`: everything. */
  let frozen
  let arrived = 0
  const filter = byId('filter')
  const pause = byId('pause')
  const show = () =>
    draw(frozen ?? all, wordsIn(filter.value), frozen === undefined ? undefined : arrived)
  filter.addEventListener('input', show)
  pause.addEventListener('click', () => {
    frozen = frozen === undefined ? all : undefined
    arrived = 0
    pause.setAttribute('aria-pressed', String(frozen !== undefined))
    show()
  })
  const add = (requests) => {
    if (requests.length === 0 && all.length > 0) return
    const last = all.at(-1)?.id ?? 0
    const fresh = requests.filter(({ id }) => id > last)
    all = [...all, ...fresh].slice(-MAX_REQUESTS)
    arrived += fresh.length
    show()
  }
  return { add, restart: () => (all = []) }
}

const MAX_REQUESTS = 100

const wordsIn = (text) => text.toLowerCase().split(/\s+/).filter(Boolean)

const draw = (list, words, waiting) => {
  const hits = list.filter(matches(words)).toReversed()
  const empty =
    list.length === 0 ? 'No request since this page is open.' : 'No request matches the filter.'
  byId('rows').replaceChildren(
    ...(hits.length === 0
      ? [element('div', { class: 'row empty', role: 'row' }, cell({}, empty))]
      : hits.map(row)),
  )
  setText(byId('shown'), summary(hits.length, list.length, waiting))
}

const matches = (words) => (request) => {
  const text = textOf(request)
  return words.every((word) => text.includes(word))
}

const textOf = ({ method, path, status, origin, token, code, correlationId }) =>
  [method, path, status ?? 'left', origin, token, code, correlationId].join(' ').toLowerCase()

const row = (request) => {
  const { at, method, path, apiMs, totalMs, token, correlationId } = request
  const [text, title] = TOKENS[token] ?? ['–', 'No token was asked for']
  return element(
    'div',
    { class: 'row', role: 'row' },
    cell({ class: 'time' }, clockTime(at)),
    cell({ class: 'target' }, element('b', {}, method), ' ', path),
    statusCell(request),
    cell({ class: 'number api' }, latencyText(apiMs)),
    cell({ class: 'number total' }, latencyText(totalMs)),
    cell({ class: 'token', title, 'data-token': text }, text),
    cell({ class: 'id', title: correlationId }, correlationId),
  )
}

const TOKENS = {
  cached: ['cached', 'A token was at hand'],
  waited: ['waited', 'The request waited for a token'],
  replayed: ['replayed', 'The API answered 401; sent again with a new token'],
  refreshed: [
    'refreshed',
    'The API answered 401; the token was renewed and the caller asked to try again',
  ],
}

const statusCell = ({ status, code }) => {
  const parts = [element('b', {}, status === null ? 'left' : String(status))]
  if (code !== null) parts.push(' ', element('span', { class: 'code' }, code))
  return cell({ class: 'status', 'data-tone': toneOf(status) }, ...parts)
}

const cell = (attributes, ...children) =>
  element('span', { role: 'cell', ...attributes }, ...children)

const summary = (shown, all, waiting) => {
  const some = shown === all ? `${all} shown` : `${shown} of ${all} shown`
  return waiting === undefined ? some : `${some}. Paused; ${waiting} more since.`
}
