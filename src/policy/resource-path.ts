/** Paths below the base URL, as rules see them. Pure. */
import { DECODE_ROUNDS, decodeAscii } from './request-target.ts'

/** `undefined` for escapes that are no UTF-8. */
const decode = (text: string): string | undefined => {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}

/** A text as it is, and as servers see it that decode it once more, twice more, …. */
const readings = (text: string): readonly string[] => {
  const all = [text]
  for (let round = 0; round < DECODE_ROUNDS; round += 1) all.push(decodeAscii(all.at(-1) as string))
  return all
}

/**
 * Letters, digits and what OData puts between them; anything goes inside the quotes of a key. A
 * slash, semicolon, question mark or escape outside of them ends the segment for some server.
 */
const CLEAN = /^(?:[\p{L}\p{M}\p{N}_$.~!@:,=()*+&-]|'[^']*')+$/u

const isClean = (segment: string): boolean =>
  !/^\.{1,2}$/.test(segment) && readings(segment).every((reading) => CLEAN.test(reading))

/**
 * The segments of a path, each decoded once after splitting; a slash at the end makes none.
 *
 * @param path below the base URL, without query
 * @returns `undefined` where servers could disagree about the segments
 */
export const pathSegments = (path: string): readonly string[] | undefined => {
  const trimmed = path.replace(/^\//, '').replace(/\/$/, '')
  const segments = trimmed === '' ? [] : trimmed.split('/').map((piece) => decode(piece) ?? '')
  return segments.every(isClean) ? segments : undefined
}

const IN_DISGUISE = /(?:^|[/\\])[\s.]*\$batch/i

/**
 * Whether a path leads to the batch endpoint of the service: certainly, certainly not, or perhaps
 * (`/%24batch`, `/$batch/`, `/$batch;x`, `/Vendor/$batch`).
 *
 * @param path below the base URL, without query
 */
export const batchEndpoint = (path: string): 'yes' | 'no' | 'perhaps' => {
  if (path === '/$batch') return 'yes'
  return readings(path).some((reading) => IN_DISGUISE.test(reading)) ? 'perhaps' : 'no'
}
