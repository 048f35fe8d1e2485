/** Content codings of answers (RFC 9110 §8.4), undone so that links can be found. */
import {
  brotliDecompressSync,
  createBrotliDecompress,
  createGunzip,
  createInflate,
  createInflateRaw,
  gunzipSync,
  inflateRawSync,
  inflateSync,
  type ZlibOptions,
} from 'node:zlib'
import type { Transform } from 'node:stream'
import { systemCode } from '../errors.ts'

interface Codec {
  readonly decode: (bytes: Buffer, options: ZlibOptions) => Buffer
  readonly createDecoder: () => Transform
}

const GZIP: Codec = { decode: gunzipSync, createDecoder: createGunzip }
const BROTLI: Codec = { decode: brotliDecompressSync, createDecoder: createBrotliDecompress }
const DEFLATE: Codec = { decode: inflateSync, createDecoder: createInflate }
/** Some servers take `deflate` for the format without a head. */
const RAW_DEFLATE: Codec = { decode: inflateRawSync, createDecoder: createInflateRaw }

const CODECS: Readonly<Record<string, Codec>> = {
  br: BROTLI,
  deflate: DEFLATE,
  gzip: GZIP,
  'x-gzip': GZIP,
}

/** How much a body that is decoded at once may become. */
const MAX_DECODED_BYTES = 1024 * 1024

/** The lower half of the first byte of a zlib head names the method: deflate is 8 (RFC 1950 §2.2). */
const hasZlibHead = (bytes: Buffer): boolean => ((bytes[0] as number) & 0x0f) === 8

/** Whether it is one coding that can be undone. */
export const isDecodable = (coding: string): boolean => coding in CODECS

const codecFor = (coding: string, start: Buffer): Codec => {
  const codec = CODECS[coding] as Codec
  return codec === DEFLATE && !hasZlibHead(start) ? RAW_DEFLATE : codec
}

/** @returns the decoded bytes; `too_large`: more than 1 MB; `broken`: they cannot be decoded */
export const decode = (coding: string, bytes: Buffer): Buffer | 'too_large' | 'broken' => {
  try {
    return codecFor(coding, bytes).decode(bytes, { maxOutputLength: MAX_DECODED_BYTES })
  } catch (error) {
    return systemCode(error) === 'ERR_BUFFER_TOO_LARGE' ? 'too_large' : 'broken'
  }
}

/** @param start the first bytes of the body */
export const createDecoder = (coding: string, start: Buffer): Transform =>
  codecFor(coding, start).createDecoder()
