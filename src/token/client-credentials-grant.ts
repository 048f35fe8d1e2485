/**
 * One exchange with the token endpoint (RFC 6749 §4.4). A secret goes into the body: SAP's server
 * misreads a `+` in HTTP Basic. A certificate goes into the TLS handshake (RFC 8705). TLS is verified
 * and redirects are not followed, so the credential reaches only the host that the key names.
 */
import { brotliDecompressSync, gunzipSync, inflateRawSync, inflateSync } from 'node:zlib'
import { Client } from 'undici'
import { type Clock, withLimit } from '../clock.ts'
import { systemCode } from '../errors.ts'
import { validityFault, validityOf, type Validity } from '../outbound/certificates.ts'
import type { OutboundProxy } from '../outbound/proxy-environment.ts'
import { connectThrough, OutboundProxyError } from '../outbound/tunnel.ts'
import type { ClientAuthentication } from '../service-key/service-key.ts'
import { createAccessToken } from './access-token.ts'
import { CertificateRefusal } from './certificate-refusal.ts'
import { parseTokenResponse, type TokenFailure } from './token-response.ts'
import type { GrantOutcome, TokenGrant } from './token-source.ts'

export interface ClientCredentialsOptions {
  readonly endpoint: URL
  readonly clientId: string
  readonly authentication: ClientAuthentication
  readonly scope: string | undefined
  /** Further form fields, form-encoded; they cannot replace those of the grant. */
  readonly params: string | undefined
  /** PEM certificates to trust; `undefined`: those of Node. */
  readonly ca: readonly string[] | undefined
  /** On the way to the endpoint; `undefined`: there is none. */
  readonly proxy: OutboundProxy | undefined
  /** Limit for the whole exchange, in ms. */
  readonly timeout: number
  readonly userAgent: string
  readonly clock: Clock
  /** In [0, 1). */
  readonly random: () => number
}

export class ClientCredentialsGrant implements TokenGrant {
  readonly #options: ClientCredentialsOptions
  readonly #client: Client
  readonly #body: string
  /** Of the client certificate, where there is one. */
  readonly #validity: Validity | undefined
  readonly #refusal: CertificateRefusal

  constructor(options: ClientCredentialsOptions) {
    const { endpoint, authentication } = options
    this.#options = options
    this.#refusal = new CertificateRefusal(authentication.method === 'tls_client_auth')
    const connect = connectThrough(options.proxy, connectOptions(options))
    this.#client = new Client(endpoint.origin, {
      connect: this.#refusal.watch(connect),
      maxResponseSize: MAX_RESPONSE_BYTES,
    })
    this.#body = formOf(options)
    this.#validity =
      authentication.method === 'tls_client_auth'
        ? validityOf(authentication.certificate)
        : undefined
  }

  async request(signal: AbortSignal): Promise<GrantOutcome> {
    const { clock, random, timeout } = this.#options
    const requestedAt = clock.now()
    const fault = this.#validity && validityFault(this.#validity, requestedAt.wall)
    if (fault !== undefined) return { ok: false, failure: { kind: 'rejected', reason: fault } }
    try {
      const response = await withLimit(clock, timeout, [signal], (limit) => this.#exchange(limit))
      const parsed = parseTokenResponse(response, clock.now().wall)
      return parsed.ok
        ? {
            ok: true,
            token: createAccessToken(parsed.value, parsed.lifetime, requestedAt, random()),
          }
        : parsed
    } catch (error) {
      const refusal = this.#refusal.reason(error)
      return refusal === undefined
        ? { ok: false, failure: failureOf(error, this.#refusal.firstError) }
        : { ok: false, failure: { kind: 'rejected', reason: refusal } }
    }
  }

  async #exchange(signal: AbortSignal) {
    const { endpoint, userAgent } = this.#options
    this.#refusal.forget()
    const response = await this.#client.request({
      path: endpoint.pathname,
      method: 'POST',
      headers: {
        accept: 'application/json',
        // Without it a server or a CDN may choose any coding (RFC 9110 §12.5.3).
        'accept-encoding': 'identity',
        'content-type': 'application/x-www-form-urlencoded',
        'user-agent': userAgent,
      },
      body: this.#body,
      signal,
      // Hours lie between two exchanges: a kept connection would be dead by then.
      reset: true,
    })
    this.#refusal.forget()
    return {
      status: response.statusCode,
      contentType: text(response.headers['content-type']) ?? '',
      retryAfter: text(response.headers['retry-after']),
      body: decoded(
        Buffer.from(await response.body.arrayBuffer()),
        [response.headers['content-encoding'] ?? []].flat().join(),
      ),
    }
  }

  close(): Promise<void> {
    return this.#client.destroy()
  }
}

const connectOptions = ({ authentication, ca, timeout }: ClientCredentialsOptions) => ({
  rejectUnauthorized: true,
  timeout: Math.min(CONNECT_TIMEOUT_MS, timeout),
  ...(ca === undefined ? {} : { ca: [...ca] }),
  ...(authentication.method === 'tls_client_auth'
    ? { cert: authentication.certificate, key: authentication.privateKey }
    : {}),
})

const CONNECT_TIMEOUT_MS = 2_000

/** Also when it is decoded. */
const MAX_RESPONSE_BYTES = 256 * 1024

/**
 * Undoes content codings (RFC 9110 §8.4), for some server does them although it was asked not to.
 *
 * @returns `undefined`: they are unknown, broken, too many, or hide more than may be read
 */
const decoded = (body: Buffer, contentEncoding: string): string | undefined => {
  const codings = contentEncoding.toLowerCase().split(/[\s,]+/)
  const done = codings.filter((coding) => coding !== '' && coding !== 'identity')
  if (done.length > MAX_CODINGS) return undefined
  try {
    const bytes = done.reduceRight((input, coding) => decode(input, coding), body)
    return new TextDecoder().decode(bytes)
  } catch {
    return undefined
  }
}

const MAX_CODINGS = 2

const decode = (body: Buffer, coding: string): Buffer => {
  const limit = { maxOutputLength: MAX_RESPONSE_BYTES }
  switch (coding) {
    case 'gzip':
    case 'x-gzip':
      return gunzipSync(body, limit)
    case 'deflate':
      return hasZlibHead(body) ? inflateSync(body, limit) : inflateRawSync(body, limit)
    case 'br':
      return brotliDecompressSync(body, limit)
    default:
      throw new RangeError('unknown content coding')
  }
}

/** RFC 1950 §2.2. Some servers take `deflate` for the format without it. */
const hasZlibHead = (body: Buffer): boolean =>
  (body.readUInt8(0) & 0x0f) === 8 && body.readUInt16BE(0) % 31 === 0

const formOf = (options: ClientCredentialsOptions): string => {
  const { authentication, clientId, scope, params } = options
  const form = new URLSearchParams(params)
  form.set('grant_type', 'client_credentials')
  form.set('client_id', clientId)
  if (authentication.method === 'client_secret_post') {
    form.set('client_secret', authentication.clientSecret)
  }
  if (scope !== undefined) form.set('scope', scope)
  return form.toString()
}

const text = (value: string | string[] | undefined): string | undefined =>
  Array.isArray(value) ? value[0] : value

const failureOf = (error: unknown, cause = error): TokenFailure => {
  if (error instanceof Error && OUT_OF_TIME.has(error.name)) {
    return { kind: 'transient', reason: 'gave no complete answer in time' }
  }
  if (error instanceof OutboundProxyError) {
    return { kind: 'transient', reason: `was not reached: ${error.message}`, advice: error.message }
  }
  return { kind: 'transient', reason: `could not be asked (${systemCode(cause)})` }
}

/** What an aborted signal gives as its reason. */
const OUT_OF_TIME: ReadonlySet<string> = new Set(['TimeoutError', 'AbortError'])
