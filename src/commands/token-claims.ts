/**
 * The few claims of a token that help to find a mistake and give nothing away. Pure. Names are those
 * of RFC 7519 §4.1, RFC 8693 §4.2 and §4.3, and `cid` and `zid` of XSUAA. The signature is not read.
 */
import { asObject, type JsonObject } from '../service-key/json-document.ts'
import { printable } from './printable.ts'

export interface TokenClaims {
  readonly shown: Readonly<Record<string, string | readonly string[]>>
  /** `iat` as ms since 1970. */
  readonly issuedAt: number | undefined
}

const MAX_ITEMS = 50

const textsOf = (value: unknown): readonly string[] =>
  (Array.isArray(value) ? value : [value])
    .filter((item): item is string => typeof item === 'string')
    .slice(0, MAX_ITEMS)
    .map(printable)

const payloadOf = (token: string): JsonObject | undefined => {
  const [, payload, signature] = token.split('.')
  if (payload === undefined || signature === undefined) return undefined
  try {
    return asObject(JSON.parse(Buffer.from(payload, 'base64url').toString()))
  } catch {
    return undefined
  }
}

const issuerHost = (value: unknown): string | undefined =>
  typeof value === 'string' && URL.canParse(value) ? new URL(value).host : undefined

const SHOWN: readonly (readonly [label: string, ...names: string[]])[] = [
  ['audience', 'aud'],
  ['client id', 'client_id', 'cid', 'azp'],
  ['scopes', 'scope'],
  ['zone', 'zid'],
]

/** @returns `undefined` if the token is no JWT */
export const claimsOf = (token: string): TokenClaims | undefined => {
  const payload = payloadOf(token)
  if (payload === undefined) return undefined
  const issuer = issuerHost(payload['iss'])
  const shown = SHOWN.flatMap(([label, ...names]) => {
    const name = names.find((name) => payload[name] !== undefined)
    const texts = name === undefined ? [] : textsOf(payload[name])
    return texts.length === 0 ? [] : [[label, texts] as const]
  })
  const iat = payload['iat']
  return {
    shown: Object.fromEntries([...(issuer ? [['issuer', issuer] as const] : []), ...shown]),
    issuedAt: typeof iat === 'number' && Number.isFinite(iat) ? iat * 1000 : undefined,
  }
}
