/** Numbers as people read them. */
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
