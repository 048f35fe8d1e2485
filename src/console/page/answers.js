/** Answers by status and by who made them. */
import { byId, element, fill } from './dom.js'
import { count, toneOf } from './format.js'

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

export const showAnswers = (answers) =>
  fill(byId('answers'), answers, () => {
    if (answers.length === 0) return [element('li', { class: 'empty' }, 'No request so far.')]
    const most = Math.max(...answers.map(({ count }) => count))
    return answers.map((answer) => bar(answer, most))
  })
