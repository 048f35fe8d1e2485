/** Random bytes that look like requests: mostly legal parts, put together without shame. */
import type { Random } from '../drill/random.ts'
import {
  METHODS,
  ODD_METHODS,
  VERSIONS,
  PATHS,
  PATH_PIECES,
  QUERIES,
  FIELDS,
  LENGTHS,
  CODINGS,
  CHUNK_SIZES,
} from './dictionary.ts'

export const chance = (random: Random, probability: number): boolean => random() < probability

/** @param items at least one */
export const choose = <T>(random: Random, items: readonly T[]): T =>
  items[Math.floor(random() * items.length)] as T

const times = (random: Random, most: number): unknown[] =>
  Array.from({ length: Math.floor(random() * (most + 1)) })

const targetOf = (random: Random, id: string): string => {
  if (chance(random, 0.65)) return `${choose(random, PATHS)}/${id}${choose(random, QUERIES)}`
  const pieces = times(random, 8).map(() => choose(random, PATH_PIECES))
  const slash = chance(random, 0.8) ? '/' : ''
  pieces.splice(Math.floor(random() * (pieces.length + 1)), 0, id)
  return `${slash}${pieces.join('')}${choose(random, QUERIES)}`
}

/** A body is often a request itself: the one that smuggling would make of it. */
const contentOf = (random: Random, id: string): string => {
  if (chance(random, 0.5)) return `GET /smuggled/${id} HTTP/1.1\r\nHost: x\r\n\r\n`
  return chance(random, 0.03) ? id.repeat(10_000) : `{"id":"${id}"}`
}

const chunksOf = (random: Random, content: string): string => {
  const cut = Math.floor(random() * content.length)
  const strange = chance(random, 0.3)
  const chunks = [content.slice(0, cut), content.slice(cut)].filter((part) => part !== '')
  const encoded = chunks.map((part) => {
    const size = (strange ? choose(random, CHUNK_SIZES) : 'N').replaceAll(
      'N',
      part.length.toString(16),
    )
    return `${size}\r\n${part}\r\n`
  })
  const end = strange
    ? choose(random, ['0\r\n', '0\r\nX-T: 1\r\n', '00\r\n', '0;a\r\n', ''])
    : '0\r\n'
  return `${encoded.join('')}${end}\r\n`
}

interface Framed {
  readonly field: string | undefined
  readonly body: string
}

const framed = (random: Random, id: string): Framed => {
  const kind = random()
  if (kind < 0.4) return { field: undefined, body: '' }
  const content = contentOf(random, id)
  const length = String(content.length)
  if (kind < 0.6) return { field: `Content-Length: ${length}`, body: content }
  if (kind < 0.8) return { field: 'Transfer-Encoding: chunked', body: chunksOf(random, content) }
  if (kind < 0.9) return { field: choose(random, LENGTHS).replaceAll('N', length), body: content }
  return { field: choose(random, CODINGS), body: chunksOf(random, content) }
}

const requestOf = (random: Random, id: string): string => {
  const method = chance(random, 0.9) ? choose(random, METHODS) : choose(random, ODD_METHODS)
  const version = chance(random, 0.9) ? '1.1' : choose(random, VERSIONS)
  const { field, body } = framed(random, id)
  const fields = times(random, chance(random, 0.5) ? 0 : 3).map(() => choose(random, FIELDS))
  if (field !== undefined) fields.splice(Math.floor(random() * (fields.length + 1)), 0, field)
  if (chance(random, 0.97)) fields.unshift('Host: x')
  fields.push(`X-Id: ${id}`)
  const line = `${method} ${targetOf(random, id)} HTTP/${version}`
  return `${[line, ...fields].join('\r\n')}\r\n\r\n${body}`
}

/** One connection's worth of requests, each of which has the id in its target and in a field. */
export const generate = (random: Random, id: string): string => {
  const count = choose(random, [1, 1, 1, 2, 3])
  return Array.from({ length: count }, () => requestOf(random, id)).join('')
}
