/** Header fields inside a `$batch`, in the one form that every reader understands alike. Pure. */
import { demand, MAX_FIELDS, type HeaderField } from './batch-content.ts'

const NAME = /^[!#$%&'*+.^_`|~0-9a-z-]+$/i
const VALUE = /^[\t\x20-\x7e\x80-\uffff]*$/

/**
 * Each must be one line (RFC 9110 section 5), and none there twice.
 *
 * @throws UnreadableError
 */
export const demandClean = (fields: readonly HeaderField[]): void => {
  demand(fields.length <= MAX_FIELDS, `A head in it has more than ${MAX_FIELDS} fields.`)
  const names = new Set(fields.map(([name]) => name.toLowerCase()))
  const areLines = fields.every(([name, value]) => NAME.test(name) && VALUE.test(value))
  demand(areLines, 'A header field in it is malformed.')
  demand(names.size === fields.length, 'A header field in it is repeated.')
}

/**
 * @param lines continuation lines and blanks before a colon make them unreadable
 * @throws UnreadableError
 */
export const readFields = (lines: readonly string[]): readonly HeaderField[] => {
  const fields = lines.slice(0, MAX_FIELDS + 1).map((line): HeaderField => {
    const colon = line.indexOf(':')
    return colon === -1 ? ['', ''] : [line.slice(0, colon), line.slice(colon + 1)]
  })
  demandClean(fields)
  return fields
}

/** @param name in lower case */
export const fieldValue = (fields: readonly HeaderField[], name: string): string | undefined =>
  fields.find(([field]) => field.toLowerCase() === name)?.[1]
