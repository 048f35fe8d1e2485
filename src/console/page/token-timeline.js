/** A token's life as a bar: fresh, renewal due, margin in which it is not sent; and where it is now. */
import { element, setText } from './dom.js'
import { duration } from './format.js'

const percent = (part, whole) => `${Math.min(100, Math.max(0, (100 * part) / whole)).toFixed(2)}%`

const noToken = ({ token, timeline: { renewalIn } }) => {
  const why = token.reason === null ? 'No token yet' : `No token: the token server ${token.reason}`
  return renewalIn === undefined ? `${why}.` : `${why}. Next attempt in ${duration(renewalIn)}.`
}

const inWords = ({ token, timeline }) => {
  const { age, lifetime } = timeline.token
  const left = lifetime - age
  const expiry = left > 0 ? `expires in ${duration(left)}` : `expired ${duration(-left)} ago`
  const waiting = token.waiters > 0 ? ` Requests that wait for one: ${token.waiters}.` : ''
  if (token.idle) return `${duration(age)} old, ${expiry}. Nobody asks; the next request renews it.`
  const next = timeline.renewalIn === undefined ? 'under way' : `in ${duration(timeline.renewalIn)}`
  const kind = token.reason === null ? 'next renewal' : 'next attempt'
  return `${duration(age)} old, ${expiry}; ${kind} ${next}.${waiting}`
}

const point = (name, text) => element('li', { 'data-point': name }, element('i'), text)

export const tokenTimeline = () => {
  const zones = ['fresh', 'soft', 'margin'].map((zone) => element('span', { 'data-zone': zone }))
  const past = element('span', { class: 'past' })
  const marker = element('span', { class: 'marker' })
  const bar = element('div', { class: 'life', 'aria-hidden': 'true' }, ...zones, past, marker)
  const words = element('p', { class: 'words' })
  const points = ['fresh', 'soft', 'margin'].map((name) => point(name, ''))
  const texts = points.map((node) => node.appendChild(element('span')))
  const legend = element('ul', { class: 'points' }, ...points)
  const node = element('div', { class: 'timeline' }, element('h4', {}, 'Token'), bar, words, legend)
  const show = (key) => {
    const { token } = key.timeline
    node.dataset.empty = token === undefined ? 'yes' : 'no'
    legend.hidden = token === undefined
    if (token === undefined) return setText(words, noToken(key))
    const { age, softAge, hardAge, lifetime } = token
    const widths = [softAge, hardAge - softAge, lifetime - hardAge]
    for (const [index, zone] of zones.entries()) zone.style.width = percent(widths[index], lifetime)
    past.style.width = percent(age, lifetime)
    marker.style.left = percent(age, lifetime)
    setText(words, inWords(key))
    setText(texts[0], `Fresh until ${duration(softAge)}`)
    setText(texts[1], `Renewal from ${duration(softAge)}`)
    setText(texts[2], `Not sent from ${duration(hardAge)}, expires at ${duration(lifetime)}`)
  }
  return { node, show }
}
