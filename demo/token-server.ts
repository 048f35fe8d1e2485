// Stands in for XSUAA: client-credentials tokens at /oauth/token, verification keys at /token_keys.
// It knows no users, no other grants and no client certificates.
import { randomBytes } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import { type CryptoKey, exportJWK, generateKeyPair, SignJWT } from 'jose'
import type { Identity } from './certificate-authority.ts'
import {
  type HttpsServer,
  type RecordedRequest,
  sendJson,
  startHttpsServer,
} from './https-server.ts'
import { XSAPPNAME, tokenClaims } from './token-claims.ts'

export interface TokenServerOptions {
  readonly tls: Identity
  /** Client secret by client id. */
  readonly clients: Readonly<Record<string, string>>
  /** Life of a token in seconds; XSUAA's usual twelve hours unless told. */
  readonly lifetime?: number
  /** The `iss` claim; this server's own token address unless told. */
  readonly issuer?: string
  /** The `aud` claim; the demo Entities API unless told. */
  readonly audience?: readonly string[]
}

export interface TokenServer extends HttpsServer {
  /** Every request so far, oldest first. Bodies hold client secrets: not for a log. */
  readonly requests: RecordedRequest[]
  /** Makes every token issued so far count as revoked. */
  readonly revoke: () => void
  readonly isRevoked: (jti: string) => boolean
}

const KEY_ID = 'demo-jwt-key-1'
const TWELVE_HOURS = 43_199

/** Starts the server on a free port of 127.0.0.1. The signing key lives as long as the server. */
export async function startTokenServer(options: TokenServerOptions): Promise<TokenServer> {
  const { publicKey, privateKey } = await generateKeyPair('RS256')
  const jwk = await exportJWK(publicKey)
  const keys = [{ ...jwk, alg: 'RS256', use: 'sig', kid: KEY_ID }]
  const requests: RecordedRequest[] = []
  const issued = new Set<string>()
  const revoked = new Set<string>()

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', url: path = '', headers } = request
    const body = await text(request)
    requests.push({ method, path, headers, body })
    const { pathname } = new URL(path, server.url)
    if (pathname === '/token_keys') return sendJson(response, 200, { keys })
    if (pathname !== '/oauth/token') return refuse(response, 404, 'not_found', 'Not found')
    if (method !== 'POST') return refuse(response, 405, 'method_not_allowed', 'Use POST')
    const form = new URLSearchParams(body)
    if (form.get('grant_type') !== 'client_credentials') {
      return refuse(response, 400, 'unsupported_grant_type', 'Unsupported grant type')
    }
    const clientId = form.get('client_id') ?? ''
    const isRegistered = Object.hasOwn(options.clients, clientId)
    if (!isRegistered || options.clients[clientId] !== form.get('client_secret')) {
      return refuse(response, 401, 'unauthorized', 'Bad credentials')
    }
    const token = await issueToken(clientId, server.url, privateKey, options)
    issued.add(token.jti)
    response.setHeader('cache-control', 'no-store')
    return sendJson(response, 200, token)
  }

  const server = await startHttpsServer(options.tls, answer)
  return {
    ...server,
    requests,
    revoke: () => issued.forEach((jti) => revoked.add(jti)),
    isRevoked: (jti) => revoked.has(jti),
  }
}

async function issueToken(
  clientId: string,
  url: string,
  key: CryptoKey,
  { lifetime = TWELVE_HOURS, issuer = `${url}/oauth/token`, audience }: TokenServerOptions,
) {
  const jti = randomBytes(16).toString('hex')
  const claims = tokenClaims(clientId)
  const now = Math.floor(Date.now() / 1000)
  const token = await new SignJWT(claims)
    .setProtectedHeader({ alg: 'RS256', jku: `${url}/token_keys`, kid: KEY_ID, typ: 'JWT' })
    .setIssuer(issuer)
    .setAudience([...(audience ?? [clientId, XSAPPNAME])])
    .setSubject(clientId)
    .setJti(jti)
    .setIssuedAt(now)
    .setExpirationTime(now + lifetime)
    .sign(key)
  const scope = claims.scope.join(' ')
  return { access_token: token, token_type: 'bearer', expires_in: lifetime, scope, jti }
}

function refuse(response: ServerResponse, status: number, error: string, description: string) {
  sendJson(response, status, { error, error_description: description })
}
