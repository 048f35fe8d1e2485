/** What is to be done with an answer, judged by its head. Pure. */
import { isLinkField, LINK_FIELDS, rewriteField } from '../odata/link-fields.ts'
import type { LinkTable } from '../odata/link-rewriter.ts'
import { rewritableType, type RewritableType } from '../odata/rewritable-type.ts'
import { isDecodable } from './content-decoding.ts'
import { createNameFilter } from './name-filter.ts'

/** A body that has links. */
export interface BodyPlan {
  readonly type: RewritableType
  /** Content coding to be undone; empty: none. */
  readonly coding: string
  /** Whether it is to be held until it is known whether there are links in it. */
  readonly isSmall: boolean
}

/** A body is held up to this size. */
export const MAX_HELD_BYTES = 64 * 1024

/** Fields that tell of a body what is wrong once it is changed, or may be. */
const BODY_FIELDS: ReadonlySet<string> = new Set([
  'accept-ranges',
  'content-digest',
  'content-encoding',
  'content-length',
  'content-md5',
  'digest',
  'repr-digest',
])

/** @returns the fields without those that are wrong for a changed body */
export const withoutBodyFields = (headers: readonly string[]): string[] => {
  const kept: string[] = []
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string
    if (!BODY_FIELDS.has(name.toLowerCase())) kept.push(name, headers[i + 1] as string)
  }
  return kept
}

interface Seen {
  type: string
  coding: string
  length: number
  isPart: boolean
}

const mayBeWanted = createNameFilter([
  ...LINK_FIELDS,
  'content-encoding',
  'content-length',
  'content-range',
  'content-type',
])

/** Several codings become a name that nobody knows. */
const codingOf = (value: string): string =>
  value
    .trim()
    .toLowerCase()
    .replace(/^identity$/, '')

const note = (seen: Seen, name: string, value: string): void => {
  if (name === 'content-type') seen.type = value
  else if (name === 'content-encoding') seen.coding += codingOf(value)
  else if (name === 'content-length') seen.length = Number(value)
  else if (name === 'content-range') seen.isPart = true
}

/** Bodies that are compressed seldom have a length, and are to stay compressed if they can. */
const isSmall = ({ length, coding }: Seen): boolean =>
  Number.isNaN(length) ? coding !== '' : length <= MAX_HELD_BYTES

const planBody = (seen: Seen): BodyPlan | undefined => {
  const { coding, length, isPart } = seen
  if (isPart || length === 0 || (coding !== '' && !isDecodable(coding))) return undefined
  const type = rewritableType(seen.type)
  return type === undefined ? undefined : { type, coding, isSmall: isSmall(seen) }
}

/**
 * Replaces links in the fields themselves.
 *
 * @param headers alternating names and values; changed in place
 * @returns how to find links in the body; `undefined`: it is to be left alone
 */
export const planAnswer = (headers: string[], table: LinkTable): BodyPlan | undefined => {
  const seen: Seen = { type: '', coding: '', length: NaN, isPart: false }
  for (let i = 0; i < headers.length; i += 2) {
    const field = headers[i] as string
    if (!mayBeWanted(field)) continue
    const name = field.toLowerCase()
    const value = headers[i + 1] as string
    if (isLinkField(name)) headers[i + 1] = rewriteField(table, value)
    else note(seen, name, value)
  }
  return planBody(seen)
}
