/** Where callers on this machine reach the proxy. Pure. */
import { isIPv6 } from 'node:net'

/** An address to listen on that means every one is none to connect to. */
const LOOPBACK: ReadonlyMap<string, string> = new Map([
  ['0.0.0.0', '127.0.0.1'],
  ['::', '::1'],
])

/** @returns scheme, host and port, without a slash at the end */
export const localUrl = (listenHost: string, port: number): string => {
  const host = LOOPBACK.get(listenHost) ?? listenHost
  return `http://${isIPv6(host) ? `[${host}]` : host}:${port}`
}
