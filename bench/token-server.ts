/** Grants one token of 2 KB, the size of a real one of XSUAA, to whoever asks. */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

const TOKEN_BYTES = 2048
const TWELVE_HOURS = 43_200

export interface TokenServer {
  readonly url: string
  /** The field that the proxies have to send. */
  readonly authorization: string
  /** When tokens were asked for, on the clock of `performance.now()`. */
  readonly grants: readonly number[]
  readonly close: () => void
}

export interface TokenServerOptions {
  /** Of its tokens, in seconds. */
  readonly lifetime?: number
  readonly token?: string
}

export const startTokenServer = async (options: TokenServerOptions = {}): Promise<TokenServer> => {
  const random = randomBytes(TOKEN_BYTES).toString('base64url').slice(0, TOKEN_BYTES)
  const { lifetime = TWELVE_HOURS, token = random } = options
  const grants: number[] = []
  const server = createServer((request, response) => {
    grants.push(performance.now())
    request.resume()
    response.setHeader('content-type', 'application/json')
    response.end(
      JSON.stringify({ access_token: token, token_type: 'bearer', expires_in: lifetime }),
    )
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    authorization: `Bearer ${token}`,
    grants,
    close: () => {
      server.close()
      server.closeAllConnections()
    },
  }
}
