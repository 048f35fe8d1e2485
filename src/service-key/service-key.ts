/**
 * Unknown JSON → ServiceKey. Pure; its messages name fields, never values.
 * Shape: SAP Help "Creating Service Instance and Service Key to enable API calling" (flat), and the
 * form of reuse services that nest the XSUAA part under `uaa`.
 */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import { asObject, type JsonObject } from './binding.ts'

export interface ServiceKey {
  readonly clientId: string
  readonly authentication: ClientAuthentication
  /** Token endpoint (RFC 6749 §3.2): `url`, or `certurl` of an X.509 key, + `/oauth/token`. */
  readonly tokenEndpoint: URL
  /** Base URL of the API. */
  readonly baseUrl: URL
}

export interface ServiceKeyOptions {
  /** Field with the base URL; dots reach into objects. */
  readonly target: string
  readonly allowHttp: 'loopback' | 'on' | 'off'
  /** Replaces the endpoint that the key names. */
  readonly tokenUrl: string | undefined
}

/** The value under a dotted path, such as `endpoints.api`. */
export const fieldAt = (credentials: JsonObject, path: string): unknown =>
  path.split('.').reduce<unknown>((value, name) => {
    const object = asObject(value)
    return object !== undefined && Object.hasOwn(object, name) ? object[name] : undefined
  }, credentials)

type ParsedServiceKey =
  | { readonly ok: true; readonly key: ServiceKey }
  | { readonly ok: false; readonly problems: readonly string[] }

/**
 * @returns the key, or all its problems at once
 */
export const parseServiceKey = (
  credentials: unknown,
  { target, allowHttp, tokenUrl }: ServiceKeyOptions,
): ParsedServiceKey => {
  const object = asObject(credentials)
  if (object === undefined) {
    return { ok: false, problems: ['the credentials are not a JSON object'] }
  }
  const nested = object['clientid'] === undefined ? asObject(object['uaa']) : undefined
  const xsuaa = nested ?? object
  const prefix = nested === undefined ? '' : 'uaa.'
  const reader = new Reader(allowHttp)
  const key: ServiceKey = {
    baseUrl: reader.urlAt(object, target),
    clientId: reader.text(xsuaa, 'clientid', prefix),
    authentication: reader.authentication(xsuaa, prefix),
    tokenEndpoint:
      tokenUrl === undefined
        ? tokenEndpointBelow(reader.urlAt(xsuaa, isX509(xsuaa) ? 'certurl' : 'url', prefix))
        : reader.url(tokenUrl, 'SKP_TOKEN_URL'),
  }
  const { problems } = reader
  return problems.length > 0 ? { ok: false, problems } : { ok: true, key }
}

/* FOLDED:
 * How the client proves itself to the token server, read from the fields of a key. Pure.
 * `credential-type: x509` keys: SAP Help, "Parameters for X.509 client certificates"; RFC 8705 §2.
 */

/** Named as the methods of RFC 7591 §2 and RFC 8705 §2.1.1. */
export type ClientAuthentication =
  | { readonly method: 'client_secret_post'; readonly clientSecret: string }
  | {
      readonly method: 'tls_client_auth'
      /** PEM, the client's own certificate first. */
      readonly certificate: string
      /** PEM */
      readonly privateKey: string
    }

/** What must never be seen. */
export const secretOf = (authentication: ClientAuthentication): string =>
  authentication.method === 'client_secret_post'
    ? authentication.clientSecret
    : authentication.privateKey

/** Some tools deliver line breaks of PEM texts as the two characters `\n`. */
export const unescapePem = (pem: string): string => pem.replaceAll(String.raw`\n`, '\n')

/**
 * @param prefix place of the fields, such as `uaa.`
 * @returns what is wrong with the pair, by field and without its content
 */
export const certificateFaults = (
  certificatePem: string,
  privateKeyPem: string,
  prefix: string,
): readonly string[] => {
  const certificate = parsed(() => new X509Certificate(certificatePem))
  const privateKey: KeyObject | undefined = parsed(() => createPrivateKey(privateKeyPem))
  const faults: string[] = []
  if (certificate === undefined)
    faults.push(`field "${prefix}certificate" is not a PEM certificate`)
  if (privateKey === undefined) faults.push(`field "${prefix}key" is not a PEM private key`)
  if (certificate !== undefined && privateKey !== undefined) {
    if (certificate.checkPrivateKey(privateKey)) return []
    faults.push(`field "${prefix}key" does not fit the certificate`)
  }
  return faults
}

/** Reads fields one by one and notes every problem instead of stopping at the first. */
class Reader {
  readonly problems: string[] = []
  readonly #allowHttp: AllowHttp

  constructor(allowHttp: AllowHttp) {
    this.#allowHttp = allowHttp
  }

  text(object: JsonObject, name: string, prefix = ''): string {
    const value = fieldAt(object, name)
    if (typeof value === 'string' && value.trim() !== '') return value
    const fault = value === undefined ? 'is missing' : 'must be a non-empty text'
    this.problems.push(`field "${prefix}${name}" ${fault}`)
    return ''
  }

  /** @param label what the text is called in a problem */
  url(text: string, label: string): URL {
    // A missing text has its own problem already.
    if (text === '') return NO_URL
    const url = URL.canParse(text.trim()) ? new URL(text.trim()) : undefined
    const fault = url === undefined ? 'is not a URL' : urlFault(url, this.#allowHttp)
    if (fault !== undefined) this.problems.push(`${label} ${fault}`)
    return url ?? NO_URL
  }

  urlAt(object: JsonObject, name: string, prefix = ''): URL {
    return this.url(this.text(object, name, prefix), `field "${prefix}${name}"`)
  }

  authentication(xsuaa: JsonObject, prefix: string): ClientAuthentication {
    if (!isX509(xsuaa)) {
      const clientSecret = this.text(xsuaa, 'clientsecret', prefix)
      return { method: 'client_secret_post', clientSecret }
    }
    const certificate = unescapePem(this.text(xsuaa, 'certificate', prefix))
    const privateKey = unescapePem(this.text(xsuaa, 'key', prefix))
    if (certificate !== '' && privateKey !== '') {
      this.problems.push(...certificateFaults(certificate, privateKey, prefix))
    }
    return { method: 'tls_client_auth', certificate, privateKey }
  }
}

/** Base of a token server + `/oauth/token`; joined as text, because a URL resolves and drops segments. */
const tokenEndpointBelow = (url: URL): URL => new URL(`${url.href.replace(/\/+$/, '')}/oauth/token`)

/** By its type, or by having a certificate where the secret would be. */
const isX509 = (xsuaa: JsonObject): boolean =>
  xsuaa['credential-type'] === 'x509' ||
  (xsuaa['clientsecret'] === undefined && xsuaa['certificate'] !== undefined)

type AllowHttp = ServiceKeyOptions['allowHttp']

/** Stands in for a URL that has a problem, so that the others are looked for as well. */
const NO_URL = new URL('https://invalid.invalid')

const urlFault = (url: URL, allowHttp: AllowHttp): string | undefined => {
  if (!/^https?:$/.test(url.protocol)) return 'must be an https URL'
  if (url.username + url.password !== '') return 'must not contain a user name or password'
  if (url.search + url.hash !== '') return 'must not contain a query or fragment'
  return url.protocol === 'https:' || mayBePlain(url, allowHttp)
    ? undefined
    : 'is plain http, which would send the token in the clear (SKP_ALLOW_HTTP=on permits it)'
}

const mayBePlain = (url: URL, allowHttp: AllowHttp): boolean =>
  allowHttp === 'on' || (allowHttp === 'loopback' && isLoopback(url.hostname))

const isLoopback = (hostname: string): boolean =>
  hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d{1,3}){3}$/.test(hostname)

const parsed = <T>(parse: () => T): T | undefined => {
  try {
    return parse()
  } catch {
    return undefined
  }
}
