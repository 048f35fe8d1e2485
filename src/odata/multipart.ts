/** Multipart bodies, in the one layout that every reader understands alike. Pure. */
import { demand, MAX_REQUESTS } from './batch-content.ts'

/** Line breaks only. */
export const isBlank = (text: string): boolean => text.replaceAll('\r\n', '') === ''

/**
 * RFC 2046 section 5.1.1 without what it makes optional: no preamble or epilogue but line breaks,
 * no blanks behind a delimiter, CRLF only. The delimiter may occur nowhere else, not even inside a
 * line, so that a reader with another idea of lines finds the same parts.
 *
 * @returns what is between the delimiters
 * @throws UnreadableError for any other layout
 */
export const splitParts = (text: string, boundary: string): readonly string[] => {
  const [before = '', ...pieces] = text.split(`--${boundary}`)
  const end = pieces.pop() ?? ''
  demand(end.startsWith('--') && isBlank(end.slice(2)), 'It does not end with a delimiter.')
  demand(pieces.length <= MAX_REQUESTS, `It has more than ${MAX_REQUESTS} parts.`)
  demand(pieces.length > 0 && isBlank(before), 'It does not begin with a part.')
  const inOrder = pieces.every(
    (piece) => piece.length >= 4 && piece.startsWith('\r\n') && piece.endsWith('\r\n'),
  )
  demand(inOrder, 'Its parts are not cleanly delimited.')
  return pieces.map((piece) => piece.slice(2, -2))
}

/** Head without its last line break, and body; `undefined` without a blank line between them. */
export const splitHead = (text: string): readonly [head: string, body: string] | undefined => {
  const end = text.indexOf('\r\n\r\n')
  return end === -1 ? undefined : [text.slice(0, end), text.slice(end + 4)]
}

/**
 * A reader that trusts the length must find the same text.
 *
 * @param length value of a `Content-Length` field, if there is one
 * @throws UnreadableError
 */
export const demandLength = (length: string | undefined, text: string): void => {
  const digits = /^[ \t]*(\d{1,9})[ \t]*$/.exec(length ?? String(text.length))?.[1]
  const value = Number(digits)
  const isTrue = value <= text.length && isBlank(text.slice(value))
  demand(isTrue, 'A Content-Length in it is wrong.')
}
