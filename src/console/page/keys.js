/** One card for each service key: where it is from, where it leads, and how its token and credential are. */
import { byId, element, fill, setText } from './dom.js'
import { duration } from './format.js'
import { tokenTimeline } from './token-timeline.js'

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

const fact = (term, ...text) =>
  element('div', {}, element('dt', {}, term), element('dd', {}, ...text))

const mount = ({ prefix, baseUrl }) =>
  element(
    'span',
    { class: 'mount' },
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

/** What changes with a key, but not with every second. */
const identityOf = ({ name, origin, watched, tokenHost, mounts, refused }) => ({
  name,
  origin,
  watched,
  tokenHost,
  mounts,
  refused,
})

const identity = ({ origin, watched, tokenHost, mounts, refused }) => [
  fact(
    'From',
    origin,
    element(
      'span',
      { class: 'quiet' },
      watched ? ' – a new key there is taken over at once' : ' – a new key needs a restart',
    ),
  ),
  fact(mounts.length > 1 ? 'Base URLs' : 'Base URL', ...mounts.map(mount)),
  fact('Token server', element('code', {}, tokenHost)),
  ...(refused === null ? [] : [fact('New key refused', refused)]),
]

const createCard = () => {
  const title = element('h3')
  const pill = element('span', { class: 'pill small' })
  const facts = element('dl', { class: 'facts' })
  const timeline = tokenTimeline()
  const credential = element('dd')
  const row = element(
    'dl',
    { class: 'facts' },
    element('div', {}, element('dt', {}, 'Credential'), credential),
  )
  const card = element(
    'article',
    { class: 'card key' },
    element('header', {}, title, pill),
    facts,
    timeline.node,
    row,
  )
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
