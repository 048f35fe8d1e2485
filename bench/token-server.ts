/** Grants one token of 2 KB, size and form of a real one of XSUAA, to whoever asks. */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

const TOKEN_BYTES = 2048
const TWELVE_HOURS = 43_200

const encode = (part: unknown): string => Buffer.from(JSON.stringify(part)).toString('base64url')

/** A JWT (RFC 7519), which some peers read to know when it expires; nobody checks its signature. */
const createToken = (): string => {
  const head = encode({ alg: 'RS256' })
  const claims = encode({ exp: Math.floor(Date.now() / 1000) + TWELVE_HOURS })
  const start = `${head}.${claims}.`
  const signature = randomBytes(TOKEN_BYTES).toString('base64url')
  return start + signature.slice(0, TOKEN_BYTES - start.length)
}

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
  const { lifetime = TWELVE_HOURS, token = createToken() } = options
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
