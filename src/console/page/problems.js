/** What the proxy answered by status and maker, what went wrong, and what docs/errors.md says about it. */
import { byId, clockTime, count, element, fill, prose, toneOf } from './format.js'

let sections = new Map()

/** @param answers by status and by who made them */
export const showResponses = (answers) =>
  fill(byId('answers'), answers, () => {
    if (answers.length === 0) return [element('li', { class: 'empty' }, 'No request so far.')]
    const most = Math.max(...answers.map(({ count }) => count))
    return answers.map((answer) => bar(answer, most))
  })

export const showProblems = (problems) =>
  fill(byId('problems'), [problems, sections.size], () => {
    const none = 'None. The proxy has answered no request with an error of its own.'
    if (problems.length === 0) return [element('li', { class: 'empty' }, none)]
    return problems.slice(0, MAX_SHOWN).map(problem)
  })

/** @param texts all sections of docs/errors.md */
export const showErrors = (texts) => {
  sections = new Map(texts.map((text) => [text.code, text]))
  byId('error-sections').replaceChildren(...texts.map(section))
  if (location.hash.startsWith('#error-')) open(location.hash.slice('#error-'.length))
}

/** A link to the section of a code on this page. */
export const remedyLink = (code) => {
  const link = element('a', { href: `#error-${code}` }, code)
  link.addEventListener('click', () => open(code))
  return link
}

const bar = ({ status, origin, count: value }, most) => {
  const track = element('span', { class: 'track', 'aria-hidden': 'true' }, element('span'))
  track.firstChild.style.width = `${Math.max(1, (100 * value) / most)}%`
  return element(
    'li',
    { 'data-tone': toneOf(status) },
    element('span', { class: 'status' }, status === 'none' ? '–' : status),
    element('span', { class: 'quiet' }, ORIGINS[origin]),
    track,
    element('span', { class: 'number' }, count(value)),
  )
}

const ORIGINS = {
  api: 'the API',
  caller: 'the caller left',
  'service-key-proxy': 'this proxy',
  'token-server': 'no token',
}

const MAX_SHOWN = 5

const problem = ({ code, count: times, lastAt }) => {
  const often = ` ${count(times)} ×, last at ${clockTime(lastAt)}`
  const title = element('p', {}, remedyLink(code), element('span', { class: 'quiet' }, often))
  const text = sections.get(code)
  if (text === undefined) return element('li', {}, title)
  const cause = element('p', {}, ...prose(text.cause.split('\n\n')[0]))
  const remedy = element('p', { class: 'remedy' }, ...prose(text.operator.split('\n\n')[0]))
  return element('li', {}, title, cause, remedy)
}

const section = ({ code, summary, cause, operator, caller }) =>
  element(
    'section',
    { id: `error-${code}`, tabindex: '-1' },
    element('h3', {}, element('code', {}, code)),
    element('p', { class: 'quiet' }, ...prose(summary)),
    ...part('Cause', cause),
    ...part('What the operator can do', operator),
    ...part('What the caller can do', caller),
  )

const part = (label, text) => [element('h4', {}, label), ...text.split('\n\n').map(block)]

const block = (text) => {
  const lines = text.split('\n')
  return lines[0].startsWith('|') ? table(lines) : element('p', {}, ...prose(text))
}

const table = (lines) => {
  const [head, ...body] = lines.filter((line) => !/^\|[\s|:-]+$/.test(line))
  return element(
    'table',
    {},
    element('thead', {}, tableRow(head, 'th', { scope: 'col' })),
    element('tbody', {}, ...body.map((line) => tableRow(line, 'td'))),
  )
}

const tableRow = (line, name, attributes) => {
  const cells = line.split(/(?<!\\)\|/).slice(1, -1)
  const texts = cells.map((cell) => element(name, attributes, ...prose(cell.trim())))
  return element('tr', {}, ...texts)
}

const open = (code) => {
  byId('errors').open = true
  const section = byId(`error-${code}`)
  section?.scrollIntoView({ block: 'start' })
  section?.focus({ preventScroll: true })
}
