/**
 * What Node lets pass, or would refuse in its own words: heads about whose meaning two servers may
 * disagree, which is what request smuggling lives on. Pure.
 */
import type { IncomingMessage } from 'node:http'
import { rememberingLast } from '../policy/last-accepted.ts'

const VERSIONS: ReadonlySet<string> = new Set(['1.0', '1.1'])

/** Anything else could end up in the links of an answer (RFC 3986 §3.2.2, without sub-delims). */
const isHost = rememberingLast((host) => /^[\w.:[\]%-]*$/.test(host))

const hostFault = (raw: readonly string[], version: string): string | undefined => {
  const hosts: string[] = []
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i] as string
    if (name.length === 4 && name.toLowerCase() === 'host') hosts.push(raw[i + 1] as string)
  }
  const [host] = hosts
  // RFC 9112 §3.2
  if (host === undefined) return version === '1.1' ? 'The Host field is missing.' : undefined
  if (hosts.length > 1) return 'It has more than one Host field.'
  return isHost(host) ? undefined : 'The Host field is not a host.'
}

const codingFault = (coding: string | undefined, version: string): string | undefined => {
  if (coding === undefined) return undefined
  // RFC 9112 §6.1; any other coding would have to be undone before the body goes on.
  if (version === '1.0') return 'HTTP/1.0 has no Transfer-Encoding.'
  return /^chunked$/i.test(coding.trim())
    ? undefined
    : 'Its Transfer-Encoding is not just "chunked".'
}

/** @returns why the request is refused, after which its connection cannot be used any further */
export const framingFault = (request: IncomingMessage): string | undefined => {
  const { headers, httpVersion: version } = request
  if (!VERSIONS.has(version)) return 'It is neither HTTP/1.0 nor HTTP/1.1.'
  if (Number(headers['content-length']) > Number.MAX_SAFE_INTEGER) {
    return 'Its Content-Length is too large to be true.'
  }
  return (
    codingFault(headers['transfer-encoding'], version) ?? hostFault(request.rawHeaders, version)
  )
}
