/** Composition root: builds every part and wires them. Does not listen by itself. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Logger } from 'pino'
import { probes } from './admin/probes.ts'
import { readinessOf } from './admin/readiness.ts'
import type { Clock } from './clock.ts'
import type { Config } from './config/load-config.ts'
import { Lifecycle } from './lifecycle.ts'
import { logAccess } from './logging/access-log.ts'
import { watchCertificate } from './logging/certificate-log.ts'
import type { Redactor } from './logging/redaction.ts'
import { tokenLog } from './logging/token-log.ts'
import { createDataServer } from './proxy/data-server.ts'
import type { Journal } from './proxy/journal.ts'
import { basePathOf } from './proxy/mount.ts'
import { proxyPlugin } from './proxy/proxy-plugin.ts'
import { UpstreamPool } from './proxy/upstream.ts'
import { systemCode } from './errors.ts'
import type { ServiceKey } from './service-key/service-key.ts'
import { CachedTokenSource } from './token/cached-token-source.ts'
import { validityOf } from './certificate-validity.ts'
import { ClientCredentialsGrant } from './token/client-credentials-grant.ts'
import { credentialFingerprint } from './token/credential-fingerprint.ts'
import { retryingGrant } from './token/retrying-grant.ts'

export interface AppOptions {
  readonly config: Config
  readonly key: ServiceKey
  /** PEM certificates to trust; `undefined`: those of Node. */
  readonly ca: readonly string[] | undefined
  readonly log: Logger
  readonly redactor: Redactor
  readonly clock: Clock
  /** In [0, 1). */
  readonly random: () => number
  /** `service-key-proxy/1.2.3` */
  readonly userAgent: string
}

export interface App {
  /**
   * Listens, then fetches the first token.
   * @returns the port
   * @throws what listening throws, such as EADDRINUSE
   */
  start(): Promise<number>
  /** Finishes what is in flight; never rejects. */
  stop(): Promise<void>
}

const createTokens = ({ config, key, ca, clock, random, userAgent, log, redactor }: AppOptions) => {
  const { tokenEndpoint: endpoint, clientId, authentication } = key
  const { tokenScope: scope, tokenParams: params, tokenTimeout: timeout } = config
  const grant = new ClientCredentialsGrant({
    endpoint,
    clientId,
    authentication,
    params,
    scope,
    ca,
    timeout,
    userAgent,
    clock,
    random,
  })
  const onOutcome = tokenLog({ log, clock, tokenHost: endpoint.host, redactor })
  const cacheKey = credentialFingerprint([
    endpoint.href,
    clientId,
    ...Object.values(authentication),
    scope ?? '',
    params ?? '',
  ])
  const source = new CachedTokenSource({
    credential: { grant: retryingGrant({ grant, clock, random }), cacheKey },
    clock,
    random,
    waitLimit: config.tokenWait,
    onOutcome,
  })
  return { source, grant }
}

const createUpstreamFor = ({ config, key, ca }: AppOptions) =>
  new UpstreamPool({
    origin: key.baseUrl.origin,
    ca,
    connections: config.upstreamConnections,
    connectTimeout: config.connectTimeout,
    responseTimeout: config.responseTimeout,
    idleTimeout: config.idleTimeout,
    maxHeaderSize: config.maxHeaderSize,
  })

const proxySettings = (config: Config) => ({
  limits: config,
  maxInFlight: config.maxInFlight,
  maxBody: config.maxBody ?? Infinity,
  replayWrites: config.replayWrites === 'on',
  passUnauthorized: config.passUnauthorized === 'on',
  renewOnForbidden: config.renewOnForbidden === 'on',
})

/** @returns ends the watch; `undefined`: there is nothing to watch */
const watchCredential = ({ key, log, clock }: AppOptions): (() => void) | undefined =>
  key.authentication.method === 'tls_client_auth'
    ? watchCertificate({ log, clock, validity: validityOf(key.authentication.certificate) })
    : undefined

/** What happens to requests, as told to the log. */
const observersOf = ({ log, clock }: AppOptions) => ({
  onDone: (request: IncomingMessage, response: ServerResponse, journal: Journal): void =>
    logAccess(log, request, response, journal, clock.now().monotonic),
  onDefect: (error: unknown, { ids }: Journal): void =>
    log.error({ err: error, request_id: ids.requestId }, 'a request failed by a defect'),
  onTransportError: (error: unknown, { ids }: Journal): void =>
    log.warn(
      { code: systemCode(error), request_id: ids.requestId },
      'the exchange with the API failed',
    ),
})

export const createApp = async (options: AppOptions): Promise<App> => {
  const { config, key, log, clock, userAgent } = options
  const { drainDelay, drainTimeout, maxHeaderSize } = config
  const lifecycle = new Lifecycle({ clock, drainDelay, drainTimeout })
  const { source: tokens, grant } = createTokens(options)
  const upstream = createUpstreamFor(options)
  const { onDone, onDefect, onTransportError } = observersOf(options)
  const now = (): number => clock.now().monotonic
  const { app, connections } = createDataServer({ maxHeaderSize, now, onDone, onDefect })
  await app.register(probes, { readiness: () => readinessOf(lifecycle.phase, tokens.state()) })
  const { baseUrl } = key
  const mounts = [{ prefix: '', baseUrl, basePath: basePathOf(baseUrl), upstream, tokens }]
  await app.register(proxyPlugin, {
    mounts: () => mounts,
    userAgent,
    lifecycle,
    ...proxySettings(config),
    onTransportError,
    onDefect,
  })
  let endWatch: (() => void) | undefined
  return {
    async start() {
      await app.listen({ port: config.port, host: config.host })
      tokens.start()
      endWatch = watchCredential(options)
      return (app.server.address() as AddressInfo).port
    },
    async stop() {
      const inTime = await lifecycle.stop(app, connections)
      if (!inTime) log.warn('requests still in flight at SKP_DRAIN_TIMEOUT were cut off')
      tokens.stop()
      endWatch?.()
      await Promise.all([grant.close(), upstream.destroy()])
    },
  }
}
