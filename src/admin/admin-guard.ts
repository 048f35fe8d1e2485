/**
 * Which requests an admin server refuses: a web page that a browser on this machine shows must reach
 * nothing here, neither by its own origin nor by a name that it lets resolve to this machine. Pure.
 */
import type { IncomingHttpHeaders } from 'node:http'

const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/i

/** @param host an address as it is listened on */
const isLoopback = (host: string): boolean => LOOPBACK.test(host === '::1' ? '[::1]' : host)

const hostName = (authority: string): string => authority.replace(/:\d+$/, '')

/** @returns why the request is refused, in words; `undefined`: it is not */
export const refusal = (
  { host = '', origin, 'sec-fetch-site': site }: IncomingHttpHeaders,
  listensOn: string,
): string | undefined => {
  // Names of pods and routes are anybody's choice, names of this machine are not.
  if (isLoopback(listensOn) && !LOOPBACK.test(hostName(host))) {
    return 'The Host field must be a loopback name, because SKP_ADMIN_HOST is a loopback address.'
  }
  const foreignSite = site !== undefined && site !== 'same-origin' && site !== 'none'
  const foreignOrigin = origin !== undefined && origin !== `http://${host}`
  return foreignSite || foreignOrigin ? 'Pages of other origins have no access.' : undefined
}
