/** Fields that belong to one connection and never travel further (RFC 9110 §7.6.1). Pure. */

const HOP_BY_HOP: ReadonlySet<string> = new Set([
  'connection',
  'http2-settings',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/** Most names are of another length, and need no more than that. */
const LENGTHS: readonly boolean[] = Array.from({ length: 20 }, (_, length) =>
  [...HOP_BY_HOP].some((name) => name.length === length),
)

const NONE: ReadonlySet<string> = new Set()

/** The names that a `Connection` field declares to be hop-by-hop as well. */
const nominatedBy = (value: string): ReadonlySet<string> => {
  const names = value
    .toLowerCase()
    .split(',')
    .map((name) => name.trim())
  return new Set(names.filter((name) => name !== 'keep-alive' && name !== 'close'))
}

/**
 * @param raw alternating names and values
 * @returns the names, in lower case, that the `Connection` fields nominate
 */
export const nominatedNames = (raw: readonly string[]): ReadonlySet<string> => {
  let names = NONE
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i] as string
    if (name.length !== 10 || name.toLowerCase() !== 'connection') continue
    const value = raw[i + 1] as string
    // What nearly every message says, and what nominates nothing.
    if (value === 'keep-alive' || value === 'close') continue
    names = new Set([...names, ...nominatedBy(value)])
  }
  return names
}

/** @param name in lower case */
export const isHopByHop = (name: string, nominated: ReadonlySet<string>): boolean =>
  (LENGTHS[name.length] === true && HOP_BY_HOP.has(name)) || nominated.has(name)
