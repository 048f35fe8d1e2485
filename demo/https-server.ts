// What both demo servers share: an HTTPS server on a free port of 127.0.0.1 that can be closed at
// once, whatever its clients keep open.
import { once } from 'node:events'
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { Identity } from './certificate-authority.ts'

/** One request as it arrived, for tests and for looking at what a proxy really sent. */
export interface RecordedRequest {
  readonly method: string
  /** Path and query string, exactly as sent. */
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

export interface HttpsServer {
  /** Origin, without a trailing slash. */
  readonly url: string
  /** Stops listening and cuts open connections. */
  readonly close: () => Promise<void>
}

export async function startHttpsServer(
  tls: Identity,
  answer: (request: IncomingMessage, response: ServerResponse) => Promise<void>,
): Promise<HttpsServer> {
  const server = createServer({ cert: tls.certificate, key: tls.key }, (request, response) => {
    // A client that hangs up in the middle of its request ends here: nobody is left to tell.
    answer(request, response).catch(() => response.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    url: `https://127.0.0.1:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

export function sendJson(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}
