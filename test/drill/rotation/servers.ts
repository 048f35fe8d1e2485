/**
 * A token server and an API that know which credentials are good at the moment. A token dies with
 * its credential, as it does where a binding is deleted together with its tokens.
 */
import { once } from 'node:events'
import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import https from 'node:https'
import type { AddressInfo, Server } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { text } from 'node:stream/consumers'
import type { CertificateAuthority } from '../../../demo/certificate-authority.ts'
import { isWriting } from '../record.ts'

/** Longer than the drill: nothing but a rotation causes a new token. */
const LIFETIME_S = 3_600

const listen = async (server: Server): Promise<number> => {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

export class RotationServers {
  /** Proofs of the credentials that are good now. */
  readonly good = new Set<string>()
  /** Requests for a token. */
  asked = 0
  /** How often each write was carried out, by id. */
  readonly writes = new Map<string, number>()
  /** Requests that came with no token at all. */
  naked = 0
  readonly #granted = new Map<string, string>()
  readonly #servers: readonly http.Server[]
  readonly #ports: readonly number[]

  private constructor(servers: readonly http.Server[], ports: readonly number[]) {
    this.#servers = servers
    this.#ports = ports
  }

  /** The token server speaks TLS, and asks for a client certificate. */
  static async start(authority: CertificateAuthority): Promise<RotationServers> {
    const identity = await authority.issueServer()
    const tokenServer = https.createServer({
      cert: identity.certificate,
      key: identity.key,
      ca: authority.certificate,
      requestCert: true,
      rejectUnauthorized: false,
    })
    const api = http.createServer({ keepAliveTimeout: 0 })
    const ports = [await listen(tokenServer), await listen(api)]
    const servers = new RotationServers([tokenServer, api], ports)
    tokenServer.on('request', (request, response) => void servers.#grant(request, response))
    api.on('request', (request, response) => void servers.#serve(request, response))
    return servers
  }

  get tokenUrl(): string {
    return `https://127.0.0.1:${this.#ports[0]}`
  }

  get apiUrl(): string {
    return `http://127.0.0.1:${this.#ports[1]}`
  }

  close(): void {
    for (const server of this.#servers) {
      server.close()
      server.closeAllConnections()
    }
  }

  async #grant(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.asked += 1
    const certificate = (request.socket as TLSSocket).getPeerCertificate()
    const form = new URLSearchParams(await text(request))
    const proof = form.get('client_secret') ?? certificate.fingerprint256 ?? ''
    if (!this.good.has(proof)) {
      response.writeHead(401).end('{"error":"invalid_client"}')
      return
    }
    const token = `token-${this.asked}`
    this.#granted.set(`Bearer ${token}`, proof)
    response.end(JSON.stringify({ access_token: token, expires_in: LIFETIME_S }))
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { authorization } = request.headers
    await text(request)
    if (authorization === undefined) this.naked += 1
    const proof = this.#granted.get(authorization ?? '')
    if (proof === undefined || !this.good.has(proof)) {
      response.writeHead(401).end()
      return
    }
    const id = String(request.headers['x-request-id'])
    if (isWriting(request.method ?? '')) this.writes.set(id, (this.writes.get(id) ?? 0) + 1)
    response.setHeader('x-drill-id', id)
    response.end(JSON.stringify({ d: { Id: id } }))
  }
}
