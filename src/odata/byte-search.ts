/**
 * Finding one short word in a lot of text. Pure.
 * Horspool's algorithm in JavaScript beats `Buffer.indexOf` by far where hits are many or begin with
 * a frequent letter: a call into native code costs as much as comparing a hundred bytes. For words
 * too short to skip by, `indexOf` is the faster one.
 */

/** @returns the position of the first hit at or after `from`, or -1 */
export type ByteSearch = (bytes: Buffer, from: number) => number

const MIN_SKIP = 4

/** @param ignoreCase of ASCII letters */
export const createByteSearch = (word: string, ignoreCase: boolean): ByteSearch => {
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
  const isAt = (bytes: Buffer, start: number): boolean => {
    for (let i = last; i >= 0; i -= 1) {
      const byte = bytes[start + i]
      if (byte !== lower[i] && byte !== upper[i]) return false
    }
    return true
  }
  return (bytes, from) => {
    let end = from + last
    while (end < bytes.length) {
      if (isAt(bytes, end - last)) return end - last
      end += skip[bytes[end] as number] as number
    }
    return -1
  }
}
