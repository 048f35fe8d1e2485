/** What is to be done with a response, judged by its head, and how its content coding is undone. Pure. */
import type { Transform } from 'node:stream'
import {
  brotliDecompressSync,
  constants,
  createBrotliDecompress,
  createGunzip,
  createInflate,
  createInflateRaw,
  gunzipSync,
  inflateRawSync,
  inflateSync,
  type ZlibOptions,
} from 'node:zlib'
import { systemCode } from '../errors.ts'
import { LINK_FIELDS, type LinkTable, rewriteField } from '../odata/link-rewriter.ts'
import { rewritableType, type RewritableType } from '../odata/media-type.ts'

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

/** @returns the fields without those that are wrong for a changed body */
export const withoutBodyFields = (headers: readonly string[]): string[] => {
  const kept: string[] = []
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string
    if (!BODY_FIELDS.has(name.toLowerCase())) kept.push(name, headers[i + 1] as string)
  }
  return kept
}

/**
 * Replaces links in the fields themselves.
 *
 * @param headers alternating names and values; changed in place
 * @returns how to find links in the body; `undefined`: it is to be left alone
 */
export const planResponse = (headers: string[], table: LinkTable): BodyPlan | undefined => {
  const seen: Seen = { type: '', coding: '', length: NaN, isPart: false }
  for (let i = 0; i < headers.length; i += 2) {
    const name = (headers[i] as string).toLowerCase()
    const value = headers[i + 1] as string
    if (LINK_FIELDS.has(name)) headers[i + 1] = rewriteField(table, value)
    else note(seen, name, value)
  }
  return planBody(seen)
}

/** @returns the decoded bytes; `too_large`: more than 1 MB; `broken`: they cannot be decoded */
export const decode = (coding: string, bytes: Buffer): Buffer | 'too_large' | 'broken' => {
  try {
    return codecFor(coding, bytes).decode(bytes, { maxOutputLength: MAX_DECODED_BYTES })
  } catch (error) {
    return isTooLarge(error) ? 'too_large' : 'broken'
  }
}

/**
 * @param start the first bytes of the body
 * @returns `undefined`: they can be no beginning of a body in that coding
 */
export const createDecoder = (coding: string, start: Buffer): Transform | undefined => {
  const codec = codecFor(coding, start)
  return codec === RAW_DEFLATE && !isRawDeflate(start) ? undefined : codec.createDecoder()
}

/** A raw value is data, whatever it looks like. */
export const isRawValue = (path: string): boolean => /\/\$value(?:\?|$)/.test(path)

export const isBatch = (path: string): boolean => /\/\$batch(?:\?|$)/.test(path)

/** Bodies that are compressed seldom have a length, and are to stay compressed if they can. */
const isSmall = ({ length, coding }: Seen): boolean =>
  Number.isNaN(length) ? coding !== '' : length <= MAX_HELD_BYTES

interface Seen {
  type: string
  coding: string
  length: number
  isPart: boolean
}

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

const note = (seen: Seen, name: string, value: string): void => {
  if (name === 'content-type') seen.type = value
  else if (name === 'content-encoding') seen.coding += codingOf(value)
  else if (name === 'content-length') seen.length = Number(value)
  else if (name === 'content-range') seen.isPart = true
}

const planBody = (seen: Seen): BodyPlan | undefined => {
  const { coding, length, isPart } = seen
  if (isPart || length === 0 || (coding !== '' && !isDecodable(coding))) return undefined
  const type = rewritableType(seen.type)
  return type === undefined ? undefined : { type, coding, isSmall: isSmall(seen) }
}

/** Several codings become a name that nobody knows. */
const codingOf = (value: string): string =>
  value
    .trim()
    .toLowerCase()
    .replace(/^identity$/, '')

/** Whether it is one coding that can be undone. */
const isDecodable = (coding: string): boolean => CODECS.has(coding)

const GZIP: Codec = { decode: gunzipSync, createDecoder: createGunzip }

const BROTLI: Codec = { decode: brotliDecompressSync, createDecoder: createBrotliDecompress }

const DEFLATE: Codec = { decode: inflateSync, createDecoder: createInflate }

/** No object: the API may name a coding `constructor`. */
const CODECS: ReadonlyMap<string, Codec> = new Map([
  ['br', BROTLI],
  ['deflate', DEFLATE],
  ['gzip', GZIP],
  ['x-gzip', GZIP],
])

/** A content coding (RFC 9110 §8.4), undone so that links can be found. */
interface Codec {
  readonly decode: (bytes: Buffer, options: ZlibOptions) => Buffer
  readonly createDecoder: () => Transform
}

const codecFor = (coding: string, start: Buffer): Codec => {
  const codec = CODECS.get(coding) as Codec
  return codec === DEFLATE && !hasZlibHead(start) ? RAW_DEFLATE : codec
}

/** How much a body that is decoded at once may become. */
const MAX_DECODED_BYTES = 1024 * 1024

/** The lower half of the first byte of a zlib head names the method: deflate is 8 (RFC 1950 §2.2). */
const hasZlibHead = (bytes: Buffer): boolean => ((bytes[0] as number) & 0x0f) === 8

/** Some servers take `deflate` for the format without a head. */
const RAW_DEFLATE: Codec = { decode: inflateRawSync, createDecoder: createInflateRaw }

/**
 * That format has nothing to be known by, and a decoder takes any text for the beginning of it: there
 * it soon comes to an end, with bytes left over.
 */
const isRawDeflate = (start: Buffer): boolean => {
  const options = { finishFlush: constants.Z_SYNC_FLUSH, maxOutputLength: MAX_DECODED_BYTES }
  try {
    // The types do not know what `info` makes of the result.
    const { engine } = inflateRawSync(start, { ...options, info: true }) as unknown as Inflated
    return engine.bytesWritten === start.length
  } catch (error) {
    return isTooLarge(error)
  }
}

interface Inflated {
  /** `bytesWritten`: those that were made use of. */
  readonly engine: { readonly bytesWritten: number }
}

const isTooLarge = (error: unknown): boolean => systemCode(error) === 'ERR_BUFFER_TOO_LARGE'
