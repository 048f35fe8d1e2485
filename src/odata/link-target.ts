/**
 * One base URL in all its spellings, what takes its place, and the words by which its links are found
 * fast. An occurrence ends where no character continues the host, the port or the last segment of the
 * path. Pure.
 */
import {
  AMPERSAND,
  BACKSLASH,
  BEYOND_ASCII,
  codeOf,
  INCOMPLETE,
  MAX_ESCAPE_BYTES,
  MISMATCH,
  pass,
  readCharacter,
  SLASH,
} from './escaped-text.ts'

export interface Link {
  readonly base: URL
  /** For scheme, host and path of the base URL; without trailing slash. */
  readonly replacement: string
  /** Whether links without scheme and host are replaced as well. */
  readonly pathAbsolute: boolean
}

export class LinkTarget {
  readonly host: string
  /** Without trailing slash. */
  readonly path: string
  readonly pathAbsolute: boolean
  readonly replacement: string
  /** Bytes from the beginning to the path, as the API itself most probably spells it. */
  readonly originBytes: number
  /** Bytes of the longest spelling, and of what shows where it ends. */
  readonly maxBytes: number
  /** Memory it takes, roughly: its spellings, each in both cases, and the word it is found by. */
  readonly bytes: number
  readonly #plain: Buffer
  readonly #plainPath: Buffer
  readonly #origins: readonly Spelling[]
  readonly #hosts: readonly Spelling[]
  readonly #path: Spelling

  constructor({ base, replacement, pathAbsolute }: Link) {
    this.host = base.hostname
    this.path = base.pathname.replace(/\/+$/, '')
    this.pathAbsolute = pathAbsolute
    this.replacement = replacement
    this.originBytes = base.origin.length
    this.#plain = Buffer.from(base.origin + this.path, 'latin1')
    this.#plainPath = Buffer.from(this.path, 'latin1')
    const origins = originsOf(base)
    this.#origins = origins.map((origin) => new Spelling(origin, true))
    this.#hosts = origins.map((origin) => new Spelling(withoutScheme(origin), true))
    this.#path = new Spelling(this.path, false)
    const longest = Math.max(...origins.map((origin) => origin.length))
    this.maxBytes = (longest + this.path.length + 1) * MAX_ESCAPE_BYTES
    this.bytes = BYTES_AT_LEAST + 5 * origins.length * longest
  }

  /** @returns the end of `https://host/path` that begins at `start`, MISMATCH or INCOMPLETE */
  absolute(bytes: Buffer, start: number, isLast: boolean): number {
    if (isAt(bytes, start, this.#plain)) {
      return endOrMore(bytes, start + this.#plain.length, isLast)
    }
    return this.#any(this.#origins, bytes, start, isLast)
  }

  /** @returns the end of `//host/path` or `/path`, likewise */
  relative(bytes: Buffer, start: number, isLast: boolean): number {
    if (this.path !== '' && isAt(bytes, start, this.#plainPath)) {
      return endOrMore(bytes, start + this.#plainPath.length, isLast)
    }
    const end = this.#any(this.#hosts, bytes, start, isLast)
    if (end !== MISMATCH) return end
    return this.path === '' ? rootEnd(bytes, start, isLast) : this.#pathEnd(bytes, start, isLast)
  }

  #any(spellings: readonly Spelling[], bytes: Buffer, start: number, isLast: boolean): number {
    for (const spelling of spellings) {
      const host = spelling.pass(bytes, start, isLast)
      const end = host < 0 ? host : this.#pathEnd(bytes, host, isLast)
      if (end !== MISMATCH) return end
    }
    return MISMATCH
  }

  #pathEnd(bytes: Buffer, start: number, isLast: boolean): number {
    const end = this.#path.pass(bytes, start, isLast)
    return end < 0 ? end : endOrMore(bytes, end, isLast)
  }
}

/**
 * The word by which the links of one base URL are found: part of every spelling, never escaped, and
 * as long as possible.
 */
export interface Needle {
  readonly find: ByteSearch
  /** Bytes before a hit at which a link may begin at most. */
  readonly reach: number
  /** Bytes before a hit at which it most probably begins. */
  readonly likely: readonly number[]
  /** What stands right before a hit in every link; `undefined`: anything may. */
  readonly follows?: ReadonlySet<number>
}

/** @returns the words that between them find every link of the target */
export const needlesFor = (target: LinkTarget): readonly Needle[] => {
  const word = longestWord(target.path)
  if (word !== undefined) return [wordNeedle(target, word)]
  return target.pathAbsolute ? [hostNeedle(target), SLASH_NEEDLE] : [hostNeedle(target)]
}

/** Text to be found: each character as it is, in either case, or escaped. */
class Spelling {
  readonly #lower: Buffer
  readonly #upper: Buffer

  constructor(text: string, ignoreCase: boolean) {
    this.#lower = Buffer.from(ignoreCase ? text.toLowerCase() : text, 'latin1')
    this.#upper = Buffer.from(ignoreCase ? text.toUpperCase() : text, 'latin1')
  }

  /** @returns the position after it, MISMATCH or INCOMPLETE */
  pass(bytes: Buffer, start: number, isLast: boolean): number {
    const lower = this.#lower
    const upper = this.#upper
    let at = start
    for (let i = 0; i < lower.length; i += 1) {
      const byte = bytes[at]
      if ((byte === lower[i] || byte === upper[i]) && byte !== AMPERSAND) {
        at += 1
        continue
      }
      at = pass(bytes, at, lower[i] as number, isLast)
      if (at < 0) return at
    }
    return at
  }
}

/**
 * A base URL on the default port of its scheme is ours under the other scheme, too: servers behind a
 * router that ends TLS write `http://` into their links. Another port is another server.
 */
const originsOf = ({ protocol, hostname, port }: URL): string[] =>
  port === ''
    ? [
        `https://${hostname}`,
        `http://${hostname}`,
        `https://${hostname}:443`,
        `http://${hostname}:80`,
      ]
    : [`${protocol}//${hostname}:${port}`]

const withoutScheme = (origin: string): string => origin.slice(origin.indexOf('/'))

/** Compares in the tightest loop there is: nearly all links are spelled as the base URL itself. */
const isAt = (bytes: Buffer, start: number, text: Buffer): boolean => {
  if (start + text.length > bytes.length) return false
  for (let i = 0; i < text.length; i += 1) {
    if (bytes[start + i] !== text[i]) return false
  }
  return true
}

/** @returns `end`, if the base URL ends there */
const endOrMore = (bytes: Buffer, end: number, isLast: boolean): number => {
  if (bytes[end] === SLASH) return end
  const next = readCharacter(bytes, end, isLast)
  if (next === INCOMPLETE) return INCOMPLETE
  return CONTINUING.has(codeOf(next)) ? MISMATCH : end
}

/** Measured with a short name. */
const BYTES_AT_LEAST = 4 * 1024

/** They make a longer host, a port, user information, or a longer segment of a path. */
const CONTINUING: ReadonlySet<number> = new Set([
  ...Buffer.from('-._~%!$*+=:;@(0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ'),
  BEYOND_ASCII,
])

/** Below a base URL without a path is every path, but not `//other.host`, which is none. */
const rootEnd = (bytes: Buffer, start: number, isLast: boolean): number => {
  const second = pass(bytes, start, SLASH, isLast)
  if (second < 0) return second
  // Known by now: two slashes have been looked for before.
  const next = codeOf(readCharacter(bytes, second, isLast))
  return next === SLASH || next === BACKSLASH ? MISMATCH : start
}

interface Word {
  readonly text: string
  /** Of the path, before the word. */
  readonly at: number
}

/** So many bytes at most are compared for each byte of a document, and a longer word finds nothing else. */
const MAX_WORD = 32

/** Letters, digits and marks that no encoder escapes, right after a slash. */
const longestWord = (path: string): Word | undefined =>
  [...path.matchAll(/(?<=\/)[\w.~-]+/g)]
    .map(({ 0: text, index: at }) => ({ text: text.slice(0, MAX_WORD), at }))
    .toSorted((a, b) => b.text.length - a.text.length)[0]

const wordNeedle = ({ originBytes, path, maxBytes }: LinkTarget, { text, at }: Word): Needle => {
  // Backslashes, if every slash is written as `\/`.
  const escapes = path.slice(0, at).split('/').length - 1
  return {
    find: createByteSearch(text, false),
    reach: maxBytes,
    follows: SLASH_ENDS,
    likely: [originBytes + at, at, originBytes + at + escapes + 2, at + escapes],
  }
}

const hostNeedle = ({ host, originBytes, maxBytes }: LinkTarget): Needle => {
  const before = originBytes - host.length
  return {
    find: createByteSearch(host.slice(0, MAX_WORD), true),
    reach: maxBytes,
    follows: SLASH_ENDS,
    likely: [before, before + 2],
  }
}

/** The last bytes of `/`, `\u002f`, `\u002F` and `&#47;`. */
const SLASH_ENDS: ReadonlySet<number> = new Set(Buffer.from('/fF;'))

/** @returns the position of the first hit at or after `from`, or -1 */
type ByteSearch = (bytes: Buffer, from: number) => number

/**
 * Horspool's algorithm: in JavaScript it beats `Buffer.indexOf` by far where hits are many or begin
 * with a frequent letter, because a call into native code costs as much as comparing a hundred bytes.
 * For words too short to skip by, `indexOf` is the faster one.
 *
 * @param ignoreCase of ASCII letters
 */
const createByteSearch = (word: string, ignoreCase: boolean): ByteSearch => {
  const lower = Buffer.from(ignoreCase ? word.toLowerCase() : word, 'latin1')
  const upper = Buffer.from(ignoreCase ? word.toUpperCase() : word, 'latin1')
  if (word.length < MIN_SKIP && lower.equals(upper)) {
    return (bytes, from) => bytes.indexOf(lower, from)
  }
  const last = lower.length - 1
  /** How far to go on after a window that ends with this byte. */
  const skip = new Uint32Array(256).fill(lower.length)
  for (let i = 0; i < last; i += 1) {
    skip[lower[i] as number] = last - i
    skip[upper[i] as number] = last - i
  }
  const isHit = (bytes: Buffer, start: number): boolean => {
    for (let i = last; i >= 0; i -= 1) {
      const byte = bytes[start + i]
      if (byte !== lower[i] && byte !== upper[i]) return false
    }
    return true
  }
  return (bytes, from) => {
    let end = from + last
    while (end < bytes.length) {
      if (isHit(bytes, end - last)) return end - last
      end += skip[bytes[end] as number] as number
    }
    return -1
  }
}

const MIN_SKIP = 4

/** For links that begin with a slash and have no word in common. */
const SLASH_NEEDLE: Needle = { find: createByteSearch('/', false), reach: 1, likely: [0, 1] }
