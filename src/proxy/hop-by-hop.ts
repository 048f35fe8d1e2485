/** Fields that belong to one connection and never travel further (RFC 9110 §7.6.1). Pure. */
import { createNameFilter } from './name-filter.ts'

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

const mayBeHopByHop = createNameFilter(HOP_BY_HOP)

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

/** @param name in any case */
export const isHopByHop = (name: string, nominated: ReadonlySet<string>): boolean =>
  (mayBeHopByHop(name) && HOP_BY_HOP.has(name.toLowerCase())) ||
  (nominated.size > 0 && nominated.has(name.toLowerCase()))
