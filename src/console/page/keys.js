/** One card for each service key: where it is from, where it leads, and how its token and credential are. */
import { byId, duration, element, fill, setText } from './format.js'

const cards = []

export const showKeys = (keys) => {
  while (cards.length < keys.length) {
    const card = createCard()
    cards.push(card)
    byId('keys').append(card.card)
  }
  setText(byId('keys-title'), keys.length > 1 ? 'Service keys' : 'Service key')
  for (const [index, key] of keys.entries()) cards[index].show(key)
}

const createCard = () => {
  const title = element('h3')
  const pill = element('span', { class: 'pill small' })
  const facts = element('dl', { class: 'facts' })
  const timeline = tokenTimeline()
  const credential = element('span')
  const row = element('dl', { class: 'facts' }, fact('Credential', credential))
  const header = element('header', {}, title, pill)
  const card = element('article', { class: 'card key' }, header, facts, timeline.node, row)
  const show = (key) => {
    setText(title, key.name)
    const [text, tone] = stateOf(key)
    setText(pill, text)
    pill.dataset.tone = tone
    card.dataset.tone = tone
    fill(facts, identityOf(key), identity)
    timeline.show(key)
    setText(credential, credentialText(key.credential))
  }
  return { card, show }
}

const STATES = {
  fresh: ['Fresh', 'good'],
  soft: ['Renewal due', 'warn'],
  hard: ['Too old to send', 'bad'],
  expired: ['Expired', 'bad'],
  none: ['No token', 'bad'],
}

const stateOf = ({ token, timeline }) => {
  if (token.idle) return ['Idle', 'wait']
  if (token.freshness === 'none' && token.outcome === 'none') return ['Asking for a token', 'wait']
  const [text, tone] = STATES[token.freshness]
  if (token.reason !== null && tone !== 'bad') return ['Renewal fails', 'warn']
  return timeline.token === undefined ? STATES.none : [text, tone]
}

/** What changes with a key, but not with every second. */
const identityOf = ({ origin, watched, tokenHost, routes, refused }) => ({
  origin,
  watched,
  tokenHost,
  routes,
  refused,
})

const identity = ({ origin, watched, tokenHost, routes, refused }) => [
  fact('From', origin, element('span', { class: 'quiet' }, watched ? TAKEN_OVER : NEEDS_RESTART)),
  fact(routes.length > 1 ? 'Base URLs' : 'Base URL', ...routes.map(route)),
  fact('Token server', element('code', {}, tokenHost)),
  ...(refused === null ? [] : [fact('New key refused', refused)]),
]

const TAKEN_OVER = ' – a new key there is taken over at once'
const NEEDS_RESTART = ' – a new key needs a restart'

const fact = (term, ...text) =>
  element('div', {}, element('dt', {}, term), element('dd', {}, ...text))

const route = ({ prefix, baseUrl }) =>
  element(
    'span',
    { class: 'route' },
    element('code', {}, prefix),
    ' → ',
    element('code', {}, baseUrl),
  )

const credentialText = ({ ageSeconds, expiresInSeconds }) => {
  const age = `in use for ${duration(ageSeconds * 1000)}`
  if (expiresInSeconds === undefined) return `Client secret, ${age}; it has no date of expiry`
  const end =
    expiresInSeconds > 0
      ? `expires in ${duration(expiresInSeconds * 1000)}`
      : `expired ${duration(-expiresInSeconds * 1000)} ago`
  return `X.509 certificate, ${age}; ${end}`
}

/** A token's life as a bar: fresh, renewal due, margin in which it is not sent; and where it is now. */
const tokenTimeline = () => {
  const zones = ZONES.map((zone) => element('span', { 'data-zone': zone }))
  const past = element('span', { class: 'past' })
  const marker = element('span', { class: 'marker' })
  const bar = element('div', { class: 'life', 'aria-hidden': 'true' }, ...zones, past, marker)
  const words = element('p')
  const texts = ZONES.map(() => element('span'))
  const legend = element(
    'ul',
    { class: 'points quiet' },
    ...ZONES.map((zone, index) => element('li', { 'data-zone': zone }, element('i'), texts[index])),
  )
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

const ZONES = ['fresh', 'soft', 'margin']

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
