/**
 * One exchange with the token endpoint (RFC 6749 §4.4). The credential goes into the body: SAP's
 * server misreads a `+` in HTTP Basic. TLS is verified and redirects are not followed, so the
 * credential reaches only the host that the key names.
 */
import { Client } from 'undici'
import type { Clock } from '../clock.ts'
import { systemCode } from '../errors.ts'
import { createAccessToken } from './access-token.ts'
import { parseTokenAnswer } from './token-response.ts'
import type { GrantOutcome, TokenGrant } from './token-source.ts'

export interface ClientCredentialsOptions {
  readonly endpoint: URL
  readonly clientId: string
  readonly clientSecret: string
  readonly scope: string | undefined
  /** PEM certificates to trust; `undefined`: those of Node. */
  readonly ca: readonly string[] | undefined
  /** Limit for the whole exchange, in ms. */
  readonly timeout: number
  readonly userAgent: string
  readonly clock: Clock
  /** In [0, 1). */
  readonly random: () => number
}

const CONNECT_TIMEOUT_MS = 2_000
const MAX_ANSWER_BYTES = 256 * 1024

const text = (value: string | string[] | undefined): string | undefined =>
  Array.isArray(value) ? value[0] : value

const reasonOf = (error: unknown): string =>
  error instanceof Error && error.name === 'TimeoutError'
    ? 'gave no complete answer in time'
    : `could not be asked (${systemCode(error)})`

export class ClientCredentialsGrant implements TokenGrant {
  readonly #options: ClientCredentialsOptions
  readonly #client: Client
  readonly #body: string

  constructor(options: ClientCredentialsOptions) {
    const { endpoint, clientId, clientSecret, scope, ca, timeout } = options
    this.#options = options
    this.#client = new Client(endpoint.origin, {
      connect: {
        rejectUnauthorized: true,
        timeout: Math.min(CONNECT_TIMEOUT_MS, timeout),
        ...(ca === undefined ? {} : { ca: [...ca] }),
      },
      maxResponseSize: MAX_ANSWER_BYTES,
    })
    this.#body = new URLSearchParams({
      grant_type: 'client_credentials',
      client_id: clientId,
      client_secret: clientSecret,
      ...(scope === undefined ? {} : { scope }),
    }).toString()
  }

  async request(signal: AbortSignal): Promise<GrantOutcome> {
    const { clock, random, timeout } = this.#options
    const requestedAt = clock.now()
    try {
      const limit = AbortSignal.any([signal, AbortSignal.timeout(timeout)])
      const parsed = parseTokenAnswer(await this.#exchange(limit), clock.now().wall)
      return parsed.ok
        ? {
            ok: true,
            token: createAccessToken(parsed.value, parsed.lifetime, requestedAt, random()),
          }
        : parsed
    } catch (error) {
      return { ok: false, failure: { kind: 'transient', reason: reasonOf(error) } }
    }
  }

  async #exchange(signal: AbortSignal) {
    const { endpoint, userAgent } = this.#options
    const answer = await this.#client.request({
      path: endpoint.pathname,
      method: 'POST',
      headers: {
        accept: 'application/json',
        'content-type': 'application/x-www-form-urlencoded',
        'user-agent': userAgent,
      },
      body: this.#body,
      signal,
      // Hours lie between two exchanges: a kept connection would be dead by then.
      reset: true,
    })
    return {
      status: answer.statusCode,
      contentType: text(answer.headers['content-type']) ?? '',
      retryAfter: text(answer.headers['retry-after']),
      body: await answer.body.text(),
    }
  }

  close(): Promise<void> {
    return this.#client.destroy()
  }
}
