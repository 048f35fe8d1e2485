/** Changes bytes where it hurts: line ends, blanks, digits, whole pieces. */
import type { Random } from '../drill/random.ts'
import { chance, choose } from './generate.ts'

// prettier-ignore
const BYTES = [
  '\r', '\n', '\r\n', '\0', '\t', ' ', '\x0b', '\x7f', '\xff', ':', ',', ';', '/', '%', '.', '..',
  '0', '1', '9', 'a', '"', '\r\n\r\n', '\n\n', '\r\n ', '\\', '#', '?', '_', '-',
]

type Mutation = (random: Random, text: string, at: number, length: number) => string

const MUTATIONS: readonly Mutation[] = [
  (random, text, at) => text.slice(0, at) + choose(random, BYTES) + text.slice(at),
  (random, text, at) => text.slice(0, at) + choose(random, BYTES) + text.slice(at + 1),
  (_random, text, at, length) => text.slice(0, at) + text.slice(at + length),
  (_random, text, at, length) => text.slice(0, at + length) + text.slice(at),
  (_random, text, at) => text.slice(0, at),
  // At a line end, where most meaning is.
  (random, text, at) => {
    const line = text.indexOf('\r\n', at)
    return line === -1 ? text : text.slice(0, line) + choose(random, BYTES) + text.slice(line + 2)
  },
  (random, text, at) => {
    const colon = text.indexOf(':', at)
    return colon === -1 ? text : text.slice(0, colon) + choose(random, BYTES) + text.slice(colon)
  },
]

const MOST_REMOVED = 12

export const mutate = (random: Random, text: string): string => {
  let mutated = text
  for (let left = 3; left > 0 && chance(random, 0.25); left -= 1) {
    const at = Math.floor(random() * mutated.length)
    const length = 1 + Math.floor(random() * MOST_REMOVED)
    mutated = choose(random, MUTATIONS)(random, mutated, at, length)
  }
  return mutated
}

/** How the bytes are cut into writes; empty: not at all. */
export const cutsOf = (random: Random, length: number): number[] => {
  if (chance(random, 0.6)) return []
  const cuts = Array.from({ length: 3 }, () => Math.floor(random() * length))
  return cuts.toSorted((a, b) => a - b)
}
