/**
 * What is built from one state of a service key: the token source, the connections to the API, and
 * the mounts that lead there. Tokens of one generation never meet the base URLs of another.
 */
import { countedGrant, timedGrant } from './admin/counted-grant.ts'
import type { ProxyMetrics } from './admin/proxy-metrics.ts'
import { secretOf } from './service-key/client-authentication.ts'
import { validityOf, type Validity } from './certificate-validity.ts'
import type { Config } from './config/load-config.ts'
import { keyGrant, type KeyGrantOptions } from './key-grant.ts'
import type { Redactor } from './logging/redaction.ts'
import { basePathOf, type Mount } from './proxy/mount.ts'
import { UpstreamPool } from './proxy/upstream.ts'
import type { MountedKey } from './service-key/key-source.ts'
import type { ServiceKey } from './service-key/service-key.ts'
import { advisedGrant } from './token/advised-grant.ts'
import { CachedTokenSource } from './token/cached-token-source.ts'
import type { ClientCredentialsGrant } from './token/client-credentials-grant.ts'
import { credentialFingerprint } from './token/credential-fingerprint.ts'
import { retryingGrant } from './token/retrying-grant.ts'
import type { Credential, GrantOutcome } from './token/token-source.ts'
import type { Tracing } from './tracing/tracing.ts'

export interface GenerationOptions extends KeyGrantOptions {
  readonly redactor: Redactor
  readonly metrics: ProxyMetrics
  readonly tracing: Tracing
  /** What to do about a rejected credential; callers are told. */
  readonly advice?: string
}

export interface GenerationEvents {
  readonly onOutcome: (outcome: GrantOutcome) => void
  readonly onRejected: () => Promise<void>
}

export type MountedKeys = readonly [MountedKey, ...MountedKey[]]

const fingerprintOf = (key: ServiceKey, { tokenScope, tokenParams }: Config): string =>
  credentialFingerprint([
    key.tokenEndpoint.href,
    key.clientId,
    ...Object.values(key.authentication),
    tokenScope ?? '',
    tokenParams ?? '',
  ])

/** Everything but the credential. */
const placesOf = (keys: MountedKeys): string =>
  JSON.stringify(keys.map(({ prefix, key }) => [prefix, key.baseUrl.href, key.tokenEndpoint.href]))

/** One pool for each origin: mounts of one key may share it. */
const createPools = (keys: MountedKeys, { config, ca, proxyFor }: GenerationOptions) => {
  const pools = new Map<string, UpstreamPool>()
  for (const { key } of keys) {
    const { origin } = key.baseUrl
    if (pools.has(origin)) continue
    const pool = new UpstreamPool({
      origin,
      ca,
      proxy: proxyFor(key.baseUrl),
      connections: config.upstreamConnections,
      connectTimeout: config.connectTimeout,
      responseTimeout: config.responseTimeout,
      idleTimeout: config.idleTimeout,
      maxHeaderSize: config.maxHeaderSize,
    })
    pools.set(origin, pool)
  }
  return pools
}

const createGrant = (options: GenerationOptions, key: ServiceKey): ClientCredentialsGrant => {
  options.redactor.addSecret(secretOf(key.authentication))
  return keyGrant(options, key)
}

const credentialOf = (
  { config, clock, random, advice, metrics, tracing }: GenerationOptions,
  key: ServiceKey,
  grant: ClientCredentialsGrant,
): Credential => {
  const exchange = countedGrant(tracing.traceGrant(grant, key.tokenEndpoint), metrics)
  const attempt = timedGrant(retryingGrant({ grant: exchange, clock, random }), metrics, clock)
  return {
    grant: advice === undefined ? attempt : advisedGrant(attempt, advice),
    cacheKey: fingerprintOf(key, config),
  }
}

export class KeyGeneration {
  readonly mounts: readonly Mount[]
  readonly tokens: CachedTokenSource
  readonly #options: GenerationOptions
  readonly #places: string
  readonly #pools: ReadonlyMap<string, UpstreamPool>
  /** Of the credential in use, and of the one before it. */
  #grants: readonly ClientCredentialsGrant[]
  #fingerprint: string
  #key: ServiceKey

  constructor(options: GenerationOptions, keys: MountedKeys, events: GenerationEvents) {
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
    this.mounts = keys.map(({ prefix, key: { baseUrl } }) => ({
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
  leadsWhere(keys: MountedKeys): boolean {
    return placesOf(keys) === this.#places
  }

  uses([{ key }]: MountedKeys): boolean {
    return fingerprintOf(key, this.#options.config) === this.#fingerprint
  }

  /**
   * Changes to another credential for the same places, once it has yielded a token.
   *
   * @returns whether it is in use now
   */
  async adopt([{ key }]: MountedKeys): Promise<boolean> {
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
