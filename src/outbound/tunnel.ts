/**
 * Connections through a proxy that the environment names: a tunnel by CONNECT (RFC 9110 §9.3.6), and
 * TLS inside it. The proxy learns host and port of the target and nothing else; certificates are those
 * of the target, verified and shown through the tunnel.
 *
 * undici's ProxyAgent does the same, but is a dispatcher in front of the pool: it turns the list of
 * header fields into an object, which loses repeated ones. A connector is below the pool, where
 * requests, limits and second tries do not notice it.
 */
import { isIPv6, type Socket } from 'node:net'
import { buildConnector, Client, errors } from 'undici'
import { systemCode } from '../errors.ts'
import { openConnection, unlessAborted } from './connection.ts'
import { bareHost, type OutboundProxy, portOf } from './proxy-environment.ts'

/** Its message is public: it names the variable and what happened, but no host. */
export class OutboundProxyError extends Error {
  readonly code = 'ERR_OUTBOUND_PROXY'

  constructor({ variable }: OutboundProxy, what: string) {
    super(`The proxy of ${variable} ${what}.`)
  }
}

interface TunnelTarget {
  /** A name, or an address without brackets. */
  readonly host: string
  readonly port: number
  /** PEM certificates to trust, for a proxy that speaks TLS; `undefined`: those of Node. */
  readonly ca: readonly string[] | undefined
  /** Gives up. */
  readonly signal: AbortSignal
}

/**
 * @returns a connection to the target, on which nothing has been sent yet
 * @throws OutboundProxyError
 */
export const openTunnel = async (proxy: OutboundProxy, target: TunnelTarget): Promise<Socket> => {
  const { ca, signal } = target
  const secure = buildConnector({
    rejectUnauthorized: true,
    ...(ca === undefined ? {} : { ca: [...ca] }),
    timeout: 0,
  })
  const client = new Client(proxy.origin, {
    // The name that undici takes from the Host field is that of the target.
    connect: connector(({ servername: _target, ...own }) =>
      secured(secure, own, openConnection(bareHost(own.hostname), portOf(own), signal), signal),
    ),
  })
  const { statusCode, socket } = await ask(client, proxy, target)
    .catch((error: unknown) => {
      throw failureOf(proxy, error)
    })
    // A tunnel that is open is not the client's any more.
    .finally(() => void client.destroy())
  if (statusCode >= 200 && statusCode < 300) return socket as Socket
  socket.on('error', () => {}).destroy()
  throw new OutboundProxyError(proxy, refusal(statusCode))
}

/** Of `connect` of an undici client. */
type ConnectOptions = buildConnector.BuildOptions & {
  readonly ca?: string[]
  /** For all of it, in ms: the name, any of its addresses, a tunnel, TLS. */
  readonly timeout: number
}

/** `connect` of an undici client, by way of the proxy if there is one. */
export const connectThrough = (
  proxy: OutboundProxy | undefined,
  { timeout, ...options }: ConnectOptions,
): buildConnector.connector => {
  const secure = buildConnector({ ...options, timeout: 0 })
  return connector((target) => {
    const { signal, clear } = timeLimit(timeout)
    const host = bareHost(target.hostname)
    const port = portOf(target)
    const opened =
      proxy === undefined
        ? openConnection(host, port, signal)
        : openTunnel(proxy, { host, port, ca: options.ca, signal })
    return secured(secure, target, opened, signal).finally(clear)
  })
}

const ask = async (client: Client, { authorization }: OutboundProxy, target: TunnelTarget) => {
  const { host, port, signal } = target
  const authority = `${isIPv6(host) ? `[${host}]` : host}:${port}`
  const credential = authorization === undefined ? {} : { 'proxy-authorization': authorization }
  return client.connect({ path: authority, headers: { host: authority, ...credential }, signal })
}

const failureOf = (proxy: OutboundProxy, error: unknown): OutboundProxyError =>
  new OutboundProxyError(
    proxy,
    isOutOfTime(error) ? 'opened no tunnel in time' : `could not be asked (${systemCode(error)})`,
  )

const refusal = (status: number): string =>
  `answered ${status}: ${REFUSALS[status] ?? 'it opened no tunnel'}`

/** What proxies mean by them (RFC 9110 §15), for whoever has to know whom to ask. */
const REFUSALS: Readonly<Record<number, string>> = {
  403: 'it does not allow connections to this host',
  407: 'its URL needs a credential that it accepts',
  500: 'it failed itself',
  502: 'it did not reach the host',
  503: 'it has no room for now, or no way to the host',
  504: 'the host did not answer it in time',
}

const isOutOfTime = (error: unknown): boolean =>
  /^(?:Timeout|Abort|ConnectTimeout)Error$/.test((error as Error).name)

const connector =
  (open: (target: buildConnector.Options) => Promise<Socket>): buildConnector.connector =>
  (target, callback) => {
    open(target).then(
      (socket) => callback(null, socket),
      (error: Error) => callback(error, null),
    )
  }

const timeLimit = (ms: number) => {
  const controller = new AbortController()
  const give = (): void => controller.abort(new errors.ConnectTimeoutError())
  // What has arrived while this process was busy is looked at first.
  const timer = setTimeout(() => setImmediate(give), ms)
  return { signal: controller.signal, clear: (): void => clearTimeout(timer) }
}

/** TLS on the connection, if the target wants it. */
const secured = async (
  secure: buildConnector.connector,
  target: buildConnector.Options,
  opened: Promise<Socket>,
  signal: AbortSignal,
): Promise<Socket> => {
  const httpSocket = await opened
  if (target.protocol !== 'https:') return httpSocket
  const handshake = new Promise<Socket>((resolve, reject) => {
    secure({ ...target, httpSocket }, (error, socket) => {
      if (error === null) resolve(socket)
      else reject(error)
    })
  })
  return unlessAborted(signal, handshake).catch((error: unknown) => {
    httpSocket.destroy()
    throw error
  })
}
