/**
 * Unknown JSON → ServiceKey. Pure; its messages name fields, never values.
 * Shape: SAP Help "Creating Service Instance and Service Key to enable API calling" (flat), and the
 * form of reuse services that nest the XSUAA part under `uaa`.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { asObject, fieldAt, type JsonObject } from './binding.ts'

export interface ServiceKey {
  readonly clientId: string
  readonly authentication: ClientAuthentication
  /** Token endpoint (RFC 6749 §3.2): `url`, or `certurl` of an X.509 key, + `/oauth/token`. */
  readonly tokenEndpoint: URL
  /** Base URL of the API. */
  readonly baseUrl: URL
}

/**
 * How the client proves itself to the token server; named as the methods of RFC 7591 §2 and RFC 8705
 * §2.1.1. `credential-type: x509` keys: SAP Help, "Parameters for X.509 client certificates".
 */
export type ClientAuthentication =
  | { readonly method: 'client_secret_post'; readonly clientSecret: string }
  | {
      readonly method: 'tls_client_auth'
      /** PEM, the client's own certificate first. */
      readonly certificate: string
      /** PEM */
      readonly privateKey: string
    }

export interface ServiceKeyOptions {
  /** Field with the base URL; dots reach into objects. */
  readonly target: string
  readonly allowHttp: 'loopback' | 'on' | 'off'
  /** Replaces the endpoint that the key names. */
  readonly tokenUrl: string | undefined
}

type ParsedServiceKey =
  | { readonly ok: true; readonly key: ServiceKey }
  | { readonly ok: false; readonly problems: readonly string[] }

/** @returns the key, or all its problems at once */
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

/** What must never be seen. */
export const secretOf = (authentication: ClientAuthentication): string =>
  authentication.method === 'client_secret_post'
    ? authentication.clientSecret
    : authentication.privateKey

/** Reads fields one by one and notes every problem instead of stopping at the first. */
class Reader {
  readonly problems: string[] = []
  readonly #allowHttp: ServiceKeyOptions['allowHttp']

  constructor(allowHttp: ServiceKeyOptions['allowHttp']) {
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

/** Stands in for a URL that has a problem, so that the others are looked for as well. */
const NO_URL = new URL('https://invalid.invalid')

const urlFault = (url: URL, allowHttp: ServiceKeyOptions['allowHttp']): string | undefined => {
  if (!/^https?:$/.test(url.protocol)) return 'must be an https URL'
  if (url.username + url.password !== '') return 'must not contain a user name or password'
  if (url.search + url.hash !== '') return 'must not contain a query or fragment'
  const mayBePlain = allowHttp === 'on' || (allowHttp === 'loopback' && isLoopback(url.hostname))
  return url.protocol === 'https:' || mayBePlain
    ? undefined
    : 'is plain http, which would send the token in the clear (SKP_ALLOW_HTTP=on permits it)'
}

const isLoopback = (hostname: string): boolean =>
  hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d{1,3}){3}$/.test(hostname)

/** Some tools deliver line breaks of PEM texts as the two characters `\n`. */
const unescapePem = (pem: string): string => pem.replaceAll(String.raw`\n`, '\n')

/**
 * @param prefix place of the fields, such as `uaa.`
 * @returns what is wrong with the pair, by field and without its content
 */
const certificateFaults = (
  certificatePem: string,
  privateKeyPem: string,
  prefix: string,
): readonly string[] => {
  const certificate = parsed(() => new X509Certificate(certificatePem))
  const privateKey = parsed(() => createPrivateKey(privateKeyPem))
  if (certificate !== undefined && privateKey !== undefined) {
    const isPair = certificate.checkPrivateKey(privateKey)
    return isPair ? [] : [`field "${prefix}key" does not fit the certificate`]
  }
  const faults: string[] = []
  if (!certificate) faults.push(`field "${prefix}certificate" is not a PEM certificate`)
  if (!privateKey) faults.push(`field "${prefix}key" is not a PEM private key`)
  return faults
}

const parsed = <T>(parse: () => T): T | undefined => {
  try {
    return parse()
  } catch {
    return undefined
  }
}
