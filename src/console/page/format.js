/** Numbers as people read them, and elements of the page: text is only ever set as text. */
const UNITS = [
  ['d', 86_400],
  ['h', 3_600],
  ['min', 60],
  ['s', 1],
]

/** At most two units: `5 h 59 min`. */
export const duration = (ms) => {
  const seconds = Math.max(0, Math.round(ms / 1000))
  const first = UNITS.findIndex(([, size]) => seconds >= size)
  if (first === -1) return '0 s'
  const [unit, size] = UNITS[first]
  const next = UNITS[first + 1]
  const rest = next === undefined ? 0 : Math.floor((seconds % size) / next[1])
  const tail = rest === 0 ? '' : ` ${rest} ${next[0]}`
  return `${Math.floor(seconds / size)} ${unit}${tail}`
}

const digits = (value) => (value < 10 ? Math.round(value * 10) / 10 : Math.round(value))

/** A latency in the unit that suits it. */
export const latency = (ms) =>
  ms < 1_000
    ? { value: String(digits(ms)), unit: 'ms' }
    : { value: String(digits(ms / 1_000)), unit: 's' }

export const latencyText = (ms) => {
  if (ms === null || ms === undefined) return '–'
  const { value, unit } = latency(ms)
  return `${value} ${unit}`
}

const CLOCK = new Intl.DateTimeFormat('en-GB', { timeStyle: 'medium' })
export const clockTime = (ms) => CLOCK.format(ms)

export const count = (value) => value.toLocaleString('en-US')

/** Where an answer belongs by its status; `null` or `none`: the caller left before there was one. */
export const toneOf = (status) => {
  if (status === null || status === 'none') return 'none'
  if (status >= 500) return 'bad'
  return status >= 400 ? 'warn' : 'good'
}

export const byId = (id) => document.getElementById(id)

/** @param children elements and texts */
export const element = (name, attributes = {}, ...children) => {
  const node = document.createElement(name)
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value)
  node.append(...children)
  return node
}

/** Text whose `backticks` become code. */
export const prose = (text) =>
  text
    .split(/`([^`]*)`/)
    .map((part, index) =>
      index % 2 === 1 ? element('code', {}, part) : part.replaceAll('\\|', '|'),
    )

/** Changes nothing where nothing has changed, so that focus and selection survive. */
export const setText = (node, text) => {
  if (node.textContent !== text) node.textContent = text
}

const shown = new WeakMap()

/** Replaces what is in a node only if what it is made from has changed. */
export const fill = (node, data, render) => {
  const key = JSON.stringify(data)
  if (shown.get(node) === key) return
  shown.set(node, key)
  node.replaceChildren(...render(data))
}
