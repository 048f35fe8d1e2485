/**
 * What is built from one state of a service key: the token source, the connections to the API, and
 * the routes that lead there. Tokens of one snapshot never meet the base URLs of another.
 */
import { countedGrant, type ProxyMetrics, timedGrant } from '../admin/metrics.ts'
import type { Clock } from '../clock.ts'
import type { Config } from '../config/load-config.ts'
import type { Redactor } from '../logging/redaction.ts'
import { type Validity, validityOf } from '../outbound/certificates.ts'
import type { ProxyFor } from '../outbound/proxy-environment.ts'
import { basePathOf, type Route } from '../proxy/route.ts'
import { UpstreamPool } from '../proxy/upstream.ts'
import type { RoutedKey } from '../service-key/key-source.ts'
import { secretOf, type ServiceKey } from '../service-key/service-key.ts'
import { CachedTokenSource } from '../token/cached-token-source.ts'
import { ClientCredentialsGrant } from '../token/client-credentials-grant.ts'
import { advisedGrant, retryingGrant } from '../token/retrying-grant.ts'
import { credentialFingerprint } from '../token/token-fetches.ts'
import type { Credential, CredentialRole, GrantOutcome } from '../token/token-source.ts'
import type { Tracing } from '../tracing/trace-context.ts'

interface KeyGrantOptions {
  readonly config: Config
  /** PEM certificates to trust; `undefined`: those of Node. */
  readonly ca: readonly string[] | undefined
  /** The proxy on the way to a server. */
  readonly proxyFor: ProxyFor
  readonly clock: Clock
  /** In [0, 1). */
  readonly random: () => number
  /** `service-key-proxy/1.2.3` */
  readonly userAgent: string
}

export interface SnapshotOptions extends KeyGrantOptions {
  readonly redactor: Redactor
  readonly metrics: ProxyMetrics
  readonly tracing: Tracing
  /** What to do about a rejected credential; callers are told. */
  readonly advice?: string
}

export type RoutedKeys = readonly [RoutedKey, ...RoutedKey[]]

interface SnapshotEvents {
  readonly onOutcome: (outcome: GrantOutcome, role: CredentialRole) => void
  readonly onRejected: () => Promise<void>
}

export class KeySnapshot {
  readonly routes: readonly Route[]
  readonly tokens: CachedTokenSource
  readonly #options: SnapshotOptions
  readonly #places: string
  readonly #pools: ReadonlyMap<string, UpstreamPool>
  /** Of the credential in use, and of the one before it. */
  #grants: readonly ClientCredentialsGrant[]
  #fingerprint: string
  #key: ServiceKey

  constructor(options: SnapshotOptions, keys: RoutedKeys, events: SnapshotEvents) {
    const [{ key }] = keys
    const { clock, random, config } = options
    const grant = createGrant(options, key)
    this.#grants = [grant]
    this.#options = options
    this.#key = key
    this.#places = placesOf(keys)
    this.#pools = createPools(keys, options)
    this.#fingerprint = fingerprintOf(key, config)
    this.tokens = new CachedTokenSource({
      ...events,
      credential: credentialOf(options, key, grant),
      clock,
      random,
      waitLimit: config.tokenWait,
    })
    this.routes = keys.map(({ prefix, key: { baseUrl } }) => ({
      prefix,
      baseUrl,
      basePath: basePathOf(baseUrl),
      upstream: this.#pools.get(baseUrl.origin) as UpstreamPool,
      tokens: this.tokens,
    }))
  }

  get tokenHost(): string {
    return this.#key.tokenEndpoint.host
  }

  /** Of the client certificate, where there is one. */
  get validity(): Validity | undefined {
    const { authentication } = this.#key
    return authentication.method === 'tls_client_auth'
      ? validityOf(authentication.certificate)
      : undefined
  }

  /** Whether these keys lead to the same token server and base URLs, whatever their credential. */
  leadsWhere(keys: RoutedKeys): boolean {
    return placesOf(keys) === this.#places
  }

  uses([{ key }]: RoutedKeys): boolean {
    return fingerprintOf(key, this.#options.config) === this.#fingerprint
  }

  /**
   * Changes to another credential for the same places, once it has yielded a token.
   *
   * @returns whether it is in use now
   */
  async adopt([{ key }]: RoutedKeys): Promise<boolean> {
    const grant = createGrant(this.#options, key)
    const credential = credentialOf(this.#options, key, grant)
    if (!(await this.tokens.replaceCredential(credential))) {
      await grant.close()
      return false
    }
    const [last, ...older] = this.#grants
    this.#grants = [grant, last as ClientCredentialsGrant]
    await Promise.all(older.map((grant) => grant.close()))
    this.#key = key
    this.#fingerprint = fingerprintOf(key, this.#options.config)
    return true
  }

  /** Ends everything at once, requests under way included. */
  async close(): Promise<void> {
    this.tokens.stop()
    const grants = this.#grants.map((grant) => grant.close())
    const pools = [...this.#pools.values()].map((pool) => pool.destroy())
    await Promise.all([...grants, ...pools])
  }
}

/** A service key and the settings of token requests → the exchange with its token server. */
export const keyGrant = (
  { config, ca, proxyFor, clock, random, userAgent }: KeyGrantOptions,
  { tokenEndpoint: endpoint, clientId, authentication }: ServiceKey,
): ClientCredentialsGrant => {
  const { tokenParams: params, tokenScope: scope, tokenTimeout: timeout } = config
  return new ClientCredentialsGrant({
    endpoint,
    clientId,
    authentication,
    params,
    scope,
    ca,
    proxy: proxyFor(endpoint),
    timeout,
    userAgent,
    clock,
    random,
  })
}

const createGrant = (options: SnapshotOptions, key: ServiceKey): ClientCredentialsGrant => {
  options.redactor.addSecret(secretOf(key.authentication))
  return keyGrant(options, key)
}

/** Everything but the credential. */
const placesOf = (keys: RoutedKeys): string =>
  JSON.stringify(keys.map(({ prefix, key }) => [prefix, key.baseUrl.href, key.tokenEndpoint.href]))

/** One pool for each origin: routes of one key may share it. */
const createPools = (keys: RoutedKeys, { config, ca, proxyFor, clock }: SnapshotOptions) => {
  const pools = new Map<string, UpstreamPool>()
  for (const { key } of keys) {
    const { origin } = key.baseUrl
    if (pools.has(origin)) continue
    const pool = new UpstreamPool({
      origin,
      ca,
      proxy: proxyFor(key.baseUrl),
      connections: config.upstreamConnections,
      clock,
      queueTimeout: config.queueTimeout,
      connectTimeout: config.connectTimeout,
      responseTimeout: config.responseTimeout,
      idleTimeout: config.idleTimeout,
      maxHeaderSize: config.maxHeaderSize,
    })
    pools.set(origin, pool)
  }
  return pools
}

const fingerprintOf = (key: ServiceKey, { tokenScope, tokenParams }: Config): string =>
  credentialFingerprint([
    key.tokenEndpoint.href,
    key.clientId,
    ...Object.values(key.authentication),
    tokenScope ?? '',
    tokenParams ?? '',
  ])

const credentialOf = (
  { config, clock, random, advice, metrics, tracing }: SnapshotOptions,
  key: ServiceKey,
  grant: ClientCredentialsGrant,
): Credential => {
  const exchange = countedGrant(tracing.traceGrant(grant, key.tokenEndpoint), metrics)
  const retrying = timedGrant(retryingGrant({ grant: exchange, clock, random }), metrics, clock)
  return {
    grant: advice === undefined ? retrying : advisedGrant(retrying, advice),
    cacheKey: fingerprintOf(key, config),
  }
}
