/** The parts of a run: token server, API, and the built proxy as a child process. */
import { once } from 'node:events'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { startProxy } from '../drill/proxy.ts'
import type { Random } from '../drill/random.ts'
import { Api } from './api.ts'
import { BASE_PATH } from './judge-arrival.ts'
import { Sessions } from './sessions.ts'

const TOKEN = 'fuzz-token-of-no-worth'
const CLIENT_SECRET = 'fuzz+secret/of no worth='

/** Short limits, so that what waits for one ends in a run; place for few, so that leaks show. */
const SETTINGS = {
  SKP_RESPONSE_TIMEOUT: '1s',
  SKP_IDLE_TIMEOUT: '1s',
  SKP_MAX_IN_FLIGHT: '200',
  SKP_UPSTREAM_CONNECTIONS: '64',
  SKP_LOG_FORMAT: 'json',
  // What the fuzzer calls the proxy is any name.
  SKP_ALLOWED_HOSTS: '*',
}

export interface WorldOptions {
  readonly random: Random
  readonly hostility: number
}

const startTokenServer = async (): Promise<http.Server> => {
  const server = http.createServer((request, response) => {
    request.resume()
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify({ access_token: TOKEN, token_type: 'bearer', expires_in: 43_199 }))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return server
}

/** What the log must not hold. */
const logFaults = (log: string): string[] => [
  ...(log.includes(TOKEN) ? ['the token is in the log'] : []),
  ...(log.includes(CLIENT_SECRET) ? ['the secret is in the log'] : []),
  ...(log.includes('a request failed by a defect') ? ['a request failed by a defect'] : []),
]

export const startWorld = async ({ random, hostility }: WorldOptions) => {
  const sessions = new Sessions()
  /** Of nobody, as far as can be told. */
  const faults: string[] = []
  const api = new Api({
    authorization: `Bearer ${TOKEN}`,
    random,
    hostility,
    sessionOf: (request, text) => sessions.ownerOf(request, text),
    onFault: (what) => faults.push(what),
  })
  const tokenServer = await startTokenServer()
  const { port } = tokenServer.address() as AddressInfo
  const entities = `${await api.listen()}${BASE_PATH}`
  const credentials = {
    entities,
    url: `http://127.0.0.1:${port}`,
    clientid: 'sb-fuzz!b1|service!b2',
    clientsecret: CLIENT_SECRET,
  }
  const key = JSON.stringify({ 'integration-assessment': [{ name: 'fuzz', credentials }] })
  const proxy = await startProxy({ environment: { ...SETTINGS, VCAP_SERVICES: key } })
  const stop = async (): Promise<string[]> => {
    const death = await proxy.stop()
    api.close()
    tokenServer.close()
    const died = death === undefined ? [] : [`the proxy ${death}`]
    return [...died, ...logFaults(proxy.log())]
  }
  return { sessions, faults, port: proxy.port, isRunning: proxy.isRunning, stop }
}

export type World = Awaited<ReturnType<typeof startWorld>>
