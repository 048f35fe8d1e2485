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
  const { ca } = target
  const connect = buildConnector({
    rejectUnauthorized: true,
    ...(ca === undefined ? {} : { ca: [...ca] }),
  })
  const client = new Client(proxy.origin, {
    // The name that undici takes from the Host field is that of the target.
    connect: ({ servername: _target, ...own }, done) => connect(own, done),
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
  /** For all of it, in ms. */
  readonly timeout: number
}

/** `connect` of an undici client: the options as they are, unless there is a proxy on the way. */
export const connectThrough = (
  proxy: OutboundProxy | undefined,
  options: ConnectOptions,
): ConnectOptions | buildConnector.connector =>
  proxy === undefined ? options : tunnelConnector(proxy, options)

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
  status === 407
    ? 'answered 407: its URL needs a credential that it accepts'
    : `answered ${status} instead of opening a tunnel`

const isOutOfTime = (error: unknown): boolean =>
  /^(?:Timeout|Abort|ConnectTimeout)Error$/.test((error as Error).name)

const tunnelConnector = (
  proxy: OutboundProxy,
  options: ConnectOptions,
): buildConnector.connector => {
  const secure = buildConnector(options)
  const open = async (target: buildConnector.Options): Promise<Socket> => {
    const { hostname, protocol } = target
    const signal = AbortSignal.timeout(options.timeout)
    const isTls = protocol === 'https:'
    const httpSocket = await openTunnel(proxy, {
      host: bareHost(hostname),
      port: portOf(target),
      ca: options.ca,
      signal,
    })
    return isTls ? startTls(secure, { ...target, httpSocket }, signal) : httpSocket
  }
  return (target, callback) => {
    open(target).then(
      (socket) => callback(null, socket),
      (error: Error) => callback(error, null),
    )
  }
}

const startTls = (
  connect: buildConnector.connector,
  options: buildConnector.Options,
  signal: AbortSignal,
): Promise<Socket> =>
  new Promise((resolve, reject) => {
    const giveUp = (): void => {
      options.httpSocket?.destroy()
      reject(new errors.ConnectTimeoutError())
    }
    signal.addEventListener('abort', giveUp)
    connect(options, (error, socket) => {
      signal.removeEventListener('abort', giveUp)
      if (error === null) resolve(socket)
      else reject(error)
    })
  })
