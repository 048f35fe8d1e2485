/**
 * Random bytes that look like requests: mostly legal parts, put together without shame, and then some
 * of them changed where it hurts.
 */
import { pick, type Random } from '../fixtures/random.ts'
import * as words from './dictionary.ts'

/** One connection's worth of requests, each of which has the id in its target and in a field. */
export const generate = (random: Random, id: string): string => {
  const count = pick(random, [1, 1, 1, 2, 3])
  return mutate(random, Array.from({ length: count }, () => requestOf(random, id)).join(''))
}

/** How the bytes are cut into writes; empty: not at all. */
export const cutsOf = (random: Random, length: number): number[] => {
  if (random() < 0.6) return []
  const cuts = Array.from({ length: 3 }, () => below(random, length))
  return cuts.toSorted((a, b) => a - b)
}

const below = (random: Random, limit: number): number => Math.floor(random() * limit)

const upTo = (random: Random, most: number, items: readonly string[]): string[] =>
  Array.from({ length: below(random, most + 1) }, () => pick(random, items))

const insert = (random: Random, items: string[], item: string): void => {
  items.splice(below(random, items.length + 1), 0, item)
}

const requestOf = (random: Random, id: string): string => {
  const method = pick(random, random() < 0.9 ? words.METHODS : words.ODD_METHODS)
  const version = random() < 0.9 ? '1.1' : pick(random, words.VERSIONS)
  if (random() < REPETITIVE) return repetitive(random, id)
  const { field, body } = framed(random, id)
  const fields = upTo(random, random() < 0.5 ? 0 : 3, words.FIELDS)
  if (field !== undefined) insert(random, fields, field)
  if (random() < 0.97) fields.unshift('Host: x')
  fields.push(`X-Id: ${id}`)
  const line = `${method} ${targetOf(random, id)} HTTP/${version}`
  return `${[line, ...fields].join('\r\n')}\r\n\r\n${body}`
}

/** Of all requests. */
const REPETITIVE = 0.01
const MOST_REPEATED = 2 ** 20

/** A `$batch`, or a body that is held, of one thing or two again and again, up to a megabyte. */
const repetitive = (random: Random, id: string): string => {
  const piece = upTo(random, 1, words.REPEATED).join('') + pick(random, words.REPEATED)
  const times = Math.ceil(2 ** (8 + random() * 12) / piece.length)
  const body = (random() < 0.8 ? '' : '--b\r\n') + piece.repeat(times).slice(0, MOST_REPEATED)
  const host = random() < 0.5 ? 'x' : pick(random, ['f', 'b', 'http']).padEnd(255, 'f')
  const fields = [
    `Host: ${host}`,
    `Content-Type: ${pick(random, words.REPEATED_TYPES)}`,
    `X-Id: ${id}`,
    `Content-Length: ${body.length}`,
  ]
  return `POST /$batch?${id} HTTP/1.1\r\n${fields.join('\r\n')}\r\n\r\n${body}`
}

const targetOf = (random: Random, id: string): string => {
  const query = pick(random, words.QUERIES)
  if (random() < 0.65) return `${pick(random, words.PATHS)}/${id}${query}`
  const pieces = upTo(random, 8, words.PATH_PIECES)
  insert(random, pieces, id)
  return `${random() < 0.8 ? '/' : ''}${pieces.join('')}${query}`
}

const framed = (random: Random, id: string): { readonly field?: string; readonly body: string } => {
  const kind = random()
  if (kind < 0.4) return { body: '' }
  const content = contentOf(random, id)
  const length = String(content.length)
  if (kind < 0.6) return { field: `Content-Length: ${length}`, body: content }
  if (kind < 0.8) return { field: 'Transfer-Encoding: chunked', body: chunksOf(random, content) }
  if (kind < 0.9) {
    return { field: pick(random, words.LENGTHS).replaceAll('N', length), body: content }
  }
  return { field: pick(random, words.CODINGS), body: chunksOf(random, content) }
}

/** A body is often a request itself: the one that smuggling would make of it. */
const contentOf = (random: Random, id: string): string => {
  if (random() < 0.5) return `GET /smuggled/${id} HTTP/1.1\r\nHost: x\r\n\r\n`
  return random() < 0.03 ? id.repeat(10_000) : `{"id":"${id}"}`
}

const chunksOf = (random: Random, content: string): string => {
  const cut = below(random, content.length)
  const isStrange = random() < 0.3
  const chunks = [content.slice(0, cut), content.slice(cut)].filter((part) => part !== '')
  const encoded = chunks.map((part) => {
    const size = isStrange ? pick(random, words.CHUNK_SIZES) : 'N'
    return `${size.replaceAll('N', part.length.toString(16))}\r\n${part}\r\n`
  })
  return `${encoded.join('')}${isStrange ? pick(random, words.CHUNK_ENDS) : '0\r\n'}\r\n`
}

type Mutation = (random: Random, text: string, at: number, length: number) => string

/** Bytes in the place of those from `at` to `end`. */
const replace = (random: Random, text: string, at: number, end: number): string =>
  text.slice(0, at) + pick(random, words.BYTES) + text.slice(end)

/** At line ends and colons is most meaning. */
const MUTATIONS: readonly Mutation[] = [
  (random, text, at) => replace(random, text, at, at),
  (random, text, at) => replace(random, text, at, at + 1),
  (_random, text, at, length) => text.slice(0, at) + text.slice(at + length),
  (_random, text, at, length) => text.slice(0, at + length) + text.slice(at),
  (_random, text, at) => text.slice(0, at),
  (random, text, at) => {
    const line = text.indexOf('\r\n', at)
    return line === -1 ? text : replace(random, text, line, line + 2)
  },
  (random, text, at) => {
    const colon = text.indexOf(':', at)
    return colon === -1 ? text : replace(random, text, colon, colon)
  },
]

const MOST_REMOVED = 12

const mutate = (random: Random, text: string): string => {
  let mutated = text
  for (let left = 3; left > 0 && random() < 0.25; left -= 1) {
    const at = below(random, mutated.length)
    const length = 1 + below(random, MOST_REMOVED)
    mutated = pick(random, MUTATIONS)(random, mutated, at, length)
  }
  return mutated
}
