/**
 * Characters of a document as its reader will see them: JSON and XML may spell `/` as `\/`, `\u002f`
 * or `&#x2F;` (RFC 8259 §7, XML 1.0 §4.1). Both notations are understood everywhere, because either
 * may be quoted inside the other. Pure.
 */

/** The bytes end before it is known what they mean. */
export const INCOMPLETE = -1

/** They mean something else. */
export const MISMATCH = -2

/** The longest notation of one character that is understood, such as `&#x002F;`. */
export const MAX_ESCAPE_BYTES = 8

/** Stands for every character outside ASCII: none of them is ever looked for. */
export const BEYOND_ASCII = 0x80

export const SLASH = 0x2f

/** The first bytes of escapes. */
export const BACKSLASH = 0x5c
export const AMPERSAND = 0x26

export const codeOf = (character: number): number => character & 0xff

/** In bytes, escapes included. */
const lengthOf = (character: number): number => character >> 8

/**
 * The character at a position, for `codeOf` and `lengthOf`; 0 at the end of the last bytes.
 *
 * @param isLast whether nothing follows these bytes
 * @returns INCOMPLETE if what follows may change it
 */
export const readCharacter = (bytes: Buffer, at: number, isLast: boolean): number => {
  if (at === bytes.length) return isLast ? 0 : INCOMPLETE
  const first = bytes[at] as number
  if (first === BACKSLASH) return readJsonEscape(bytes, at, isLast)
  if (first === AMPERSAND) return readEntity(bytes, at, isLast)
  return spelled(first, 1)
}

/** @returns the position after one expected character, MISMATCH or INCOMPLETE */
export const pass = (bytes: Buffer, at: number, expected: number, isLast: boolean): number => {
  const character = readCharacter(bytes, at, isLast)
  if (character === INCOMPLETE) return INCOMPLETE
  return codeOf(character) === expected ? at + lengthOf(character) : MISMATCH
}

const readJsonEscape = (bytes: Buffer, at: number, isLast: boolean): number => {
  if (at + 1 === bytes.length) return cut(bytes, at, isLast)
  const kind = bytes[at + 1]
  if (kind === SLASH) return spelled(SLASH, 2)
  if (kind !== LETTER_u) return spelled(BACKSLASH, 1)
  let code = 0
  for (let i = at + 2; i < at + UNICODE_ESCAPE_BYTES; i += 1) {
    if (i === bytes.length) return cut(bytes, at, isLast)
    const digit = HEX_DIGITS[bytes[i] as number] as number
    if (digit < 0) return spelled(BACKSLASH, 1)
    code = code * 16 + digit
  }
  return spelled(code, UNICODE_ESCAPE_BYTES)
}

/** By their bytes; −1: none. */
const HEX_DIGITS = Int8Array.from({ length: 256 }, (_, byte) =>
  '0123456789abcdef'.indexOf(String.fromCharCode(byte).toLowerCase()),
)

const readEntity = (bytes: Buffer, at: number, isLast: boolean): number => {
  for (let length = 2; length <= MAX_ESCAPE_BYTES; length += 1) {
    const end = at + length
    if (end > bytes.length) return cut(bytes, at, isLast)
    if (bytes[end - 1] !== SEMICOLON) continue
    const code = decodeEntity(bytes.toString('latin1', at + 1, end - 1))
    return code === MISMATCH ? spelled(AMPERSAND, 1) : spelled(code, length)
  }
  return spelled(AMPERSAND, 1)
}

/** A character and the number of bytes that spell it, in one number, so that nothing is allocated. */
const spelled = (code: number, length: number): number =>
  (length << 8) | (code < BEYOND_ASCII ? code : BEYOND_ASCII)

const cut = (bytes: Buffer, at: number, isLast: boolean): number =>
  isLast ? spelled(bytes[at] as number, 1) : INCOMPLETE

const LETTER_u = 0x75
const UNICODE_ESCAPE_BYTES = 6
const SEMICOLON = 0x3b

/** @param name of the entity, or its number after a `#` */
const decodeEntity = (name: string): number => {
  const [, decimal, hex] = /^#(?:(\d+)|x([0-9a-f]+))$/i.exec(name) ?? []
  if (decimal !== undefined) return Number(decimal)
  if (hex !== undefined) return Number.parseInt(hex, 16)
  return NAMED.get(name)?.charCodeAt(0) ?? MISMATCH
}

const NAMED: ReadonlyMap<string, string> = new Map([
  ['amp', '&'],
  ['apos', "'"],
  ['gt', '>'],
  ['lt', '<'],
  ['quot', '"'],
])
