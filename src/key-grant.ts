/** A service key and the settings of token requests → the exchange with its token server. */
import type { Clock } from './clock.ts'
import type { Config } from './config/load-config.ts'
import type { ProxyFor } from './outbound-proxy.ts'
import type { ServiceKey } from './service-key/service-key.ts'
import { ClientCredentialsGrant } from './token/client-credentials-grant.ts'

export interface KeyGrantOptions {
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
