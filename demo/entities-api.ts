// The demo's Entities API: tokens are verified first, then the entity sets answer. Everything is in
// memory and starts fresh with the server.
import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { buffer } from 'node:stream/consumers'
import type { Identity } from './certificate-authority.ts'
import { BASE_PATH, loadEntitiesService } from './entities-service.ts'
import {
  type HttpsServer,
  type RecordedRequest,
  sendJson,
  startHttpsServer,
} from './https-server.ts'
import { errorBody } from './odata-error.ts'
import { createTokenVerification, type TokenVerificationOptions } from './token-verification.ts'

export interface EntitiesApiOptions extends TokenVerificationOptions {
  readonly tls: Identity
}

export interface EntitiesApi extends HttpsServer {
  /** Base URL of the entity sets, as a service key's `entities`: without a trailing slash. */
  readonly entities: string
  /** Every request so far, oldest first, refused ones included. Headers hold tokens. */
  readonly requests: RecordedRequest[]
}

const isJson = (contentType: string) => /^application\/json\b/i.test(contentType)

const isBatch = (path: string) => /\/\$batch(?:\?|$)/.test(path)

/** A part may name its target from the root on, or with scheme and host; the mock server knows neither. */
const withRelativeTargets = (body: Buffer, origin: string) => {
  const bases = new RegExp(`^([A-Z]+ )(?:${origin})?${BASE_PATH}/(?=\\S* HTTP/1\\.1\r?$)`, 'gm')
  return Buffer.from(body.toString('latin1').replaceAll(bases, '$1'), 'latin1')
}

/** Starts the API on a free port of 127.0.0.1; the token server has to be up at the first request. */
export async function startEntitiesApi(options: EntitiesApiOptions): Promise<EntitiesApi> {
  const service = await loadEntitiesService()
  const isAccepted = createTokenVerification(options)
  const requests: RecordedRequest[] = []

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', url: path = '', headers } = request
    const body = await buffer(request)
    requests.push({ method, path, headers, body: body.toString() })
    if (!(await isAccepted(headers.authorization))) {
      response.setHeader('www-authenticate', 'Bearer error="invalid_token"')
      return sendJson(response, 401, errorBody('401', 'Unauthorized'))
    }
    if (/^fetch$/i.test(String(headers['x-csrf-token']))) offerCsrfToken(response)
    const problem = body.length > 0 ? problemOf(headers['content-type'] ?? '', body) : undefined
    if (problem) return sendJson(response, 400, problem)
    const known = isBatch(path) ? withRelativeTargets(body, server.url) : body
    // Marked as read: the mock server's own reader stops at 100 KiB and throws out of reach.
    service.handle(Object.assign(request, { body: known, _body: true }), response)
  }

  const server = await startHttpsServer(options.tls, answer)
  const entities = `${server.url}${BASE_PATH}`
  service.publishAt(entities)
  return { ...server, entities, requests }
}

/** Clients of SAP ask for one before they write. It is bound to a session, and not demanded here. */
function offerCsrfToken(response: ServerResponse): void {
  const token = randomUUID()
  response.setHeader('x-csrf-token', token)
  response.setHeader('set-cookie', `session=${token}; Path=/; Secure; HttpOnly`)
}

/** Why a body is refused before it reaches an entity set; undefined if it is not. */
function problemOf(contentType: string, body: Buffer) {
  if (!isJson(contentType)) return undefined
  if (/;\s*charset\s*=/i.test(contentType)) {
    return errorBody('V122', `Content type ${contentType} is not supported`)
  }
  try {
    JSON.parse(body.toString())
    return undefined
  } catch {
    return errorBody('400', 'The body is not valid JSON')
  }
}
