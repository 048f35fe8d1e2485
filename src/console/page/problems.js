/** What went wrong, in words, and what docs/errors.md says about it. */
import { byId, clockTime, count, element, fill, prose, toneOf } from './format.js'

let sections = new Map()

const open = (code) => {
  byId('errors').open = true
  const section = byId(`error-${code}`)
  section?.scrollIntoView({ block: 'start' })
  section?.focus({ preventScroll: true })
}

/** A link to the section of a code on this page. */
export const remedyLink = (code) => {
  const link = element('a', { href: `#error-${code}` }, code)
  link.addEventListener('click', () => open(code))
  return link
}

const table = (lines) => {
  const rows = lines
    .filter((line) => !/^\|[\s|:-]+$/.test(line))
    .map((line) =>
      line
        .split(/(?<!\\)\|/)
        .slice(1, -1)
        .map((cell) => cell.trim()),
    )
  const [head, ...body] = rows
  return element(
    'table',
    {},
    element(
      'thead',
      {},
      element('tr', {}, ...head.map((cell) => element('th', { scope: 'col' }, ...prose(cell)))),
    ),
    element(
      'tbody',
      {},
      ...body.map((row) =>
        element('tr', {}, ...row.map((cell) => element('td', {}, ...prose(cell)))),
      ),
    ),
  )
}

const block = (text) => {
  const lines = text.split('\n')
  return lines[0].startsWith('|') ? table(lines) : element('p', {}, ...prose(text))
}

const part = (label, text) => [element('h4', {}, label), ...text.split('\n\n').map(block)]

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

/** @param texts all sections of docs/errors.md */
export const showErrors = (texts) => {
  sections = new Map(texts.map((text) => [text.code, text]))
  byId('error-sections').replaceChildren(...texts.map(section))
  if (location.hash.startsWith('#error-')) open(location.hash.slice('#error-'.length))
}

const problem = ({ code, count: times, lastAt }) => {
  const text = sections.get(code)
  return element(
    'li',
    {},
    element(
      'p',
      {},
      remedyLink(code),
      element('span', { class: 'quiet' }, ` ${count(times)} ×, last at ${clockTime(lastAt)}`),
    ),
    ...(text === undefined
      ? []
      : [
          element('p', {}, ...prose(text.cause.split('\n\n')[0])),
          element('p', { class: 'remedy' }, ...prose(text.operator.split('\n\n')[0])),
        ]),
  )
}

const MAX_SHOWN = 5

export const showProblems = (problems) =>
  fill(byId('problems'), [problems, sections.size], () =>
    problems.length === 0
      ? [
          element(
            'li',
            { class: 'empty' },
            'None. The proxy has answered no request with an error of its own.',
          ),
        ]
      : problems.slice(0, MAX_SHOWN).map(problem),
  )

/* FOLDED: Answers by status and by who made them. */

const ORIGINS = {
  api: 'the API',
  caller: 'the caller left',
  'service-key-proxy': 'this proxy',
  'token-server': 'no token',
}

const bar = ({ status, origin, count: value }, most) => {
  const track = element('span', { class: 'track', 'aria-hidden': 'true' }, element('span'))
  track.firstChild.style.width = `${Math.max(1, (100 * value) / most)}%`
  return element(
    'li',
    { 'data-tone': toneOf(status) },
    element('span', { class: 'status' }, status === 'none' ? '–' : status),
    element('span', { class: 'by' }, ORIGINS[origin]),
    track,
    element('span', { class: 'number' }, count(value)),
  )
}

export const showResponses = (answers) =>
  fill(byId('answers'), answers, () => {
    if (answers.length === 0) return [element('li', { class: 'empty' }, 'No request so far.')]
    const most = Math.max(...answers.map(({ count }) => count))
    return answers.map((answer) => bar(answer, most))
  })
