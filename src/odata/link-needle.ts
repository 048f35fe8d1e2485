/**
 * The word by which the links of one base URL are found: part of every spelling, never escaped, and
 * as long as possible. Pure.
 */
import { createByteSearch, type ByteSearch } from './byte-search.ts'
import type { LinkTarget } from './link-target.ts'

export interface Needle {
  readonly find: ByteSearch
  /** Bytes before a hit at which a link may begin at most. */
  readonly reach: number
  /** Bytes before a hit at which it most probably begins. */
  readonly likely: readonly number[]
  /** What stands right before a hit in every link; `undefined`: anything may. */
  readonly follows?: ReadonlySet<number>
}

interface Word {
  readonly text: string
  /** Of the path, before the word. */
  readonly at: number
}

/** Letters, digits and marks that no encoder escapes, right after a slash. */
const longestWord = (path: string): Word | undefined => {
  const words = [...path.matchAll(/(?<=\/)[\w.~-]+/g)].map(({ 0: text, index: at }) => ({
    text,
    at,
  }))
  return words.toSorted((a, b) => b.text.length - a.text.length)[0]
}

/** The last bytes of `/`, `\u002f`, `\u002F` and `&#47;`. */
const SLASH_ENDS: ReadonlySet<number> = new Set(Buffer.from('/fF;'))

const slashes = (text: string): number => text.split('/').length - 1

const wordNeedle = ({ originBytes, path, maxBytes }: LinkTarget, { text, at }: Word): Needle => {
  const escapes = slashes(path.slice(0, at))
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
    find: createByteSearch(host, true),
    reach: maxBytes,
    follows: SLASH_ENDS,
    likely: [before, before + 2],
  }
}

/** For links that begin with a slash and have no word in common. */
const SLASH_NEEDLE: Needle = { find: createByteSearch('/', false), reach: 1, likely: [0, 1] }

/** @returns the words that between them find every link of the target */
export const needlesFor = (target: LinkTarget): readonly Needle[] => {
  const word = longestWord(target.path)
  if (word !== undefined) return [wordNeedle(target, word)]
  return target.pathAbsolute ? [hostNeedle(target), SLASH_NEEDLE] : [hostNeedle(target)]
}
