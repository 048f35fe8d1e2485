/** A proxy with a console, traffic, and faults on demand, on this machine alone. */
import type { Test } from 'tap'
import { setTimeout as sleep } from 'node:timers/promises'
import { call } from '../fixtures/http-client.ts'
import { freePort } from '../fixtures/free-port.ts'
import { readingOf, startProxy } from '../fixtures/proxy.ts'
import { startServer } from '../fixtures/recording-server.ts'

const PATHS = [
  "/Vendor?$filter=Name eq 'canary-query'".replaceAll(' ', '%20'),
  '/Application?$top=5',
  "/Request('4711')/Answers",
  '/ApplicationInstance?$expand=Vendor',
  '/$metadata',
]

/** @param lifetime of each token, in seconds */
export const startScene = async (t: Test, { lifetime = 43_199, keys = 1 } = {}) => {
  const state = { tokens: true, api: 200, served: 0 }
  const tokenServer = await startServer(t, (_request, response) => {
    response.statusCode = state.tokens ? 200 : 503
    const body = { access_token: 'canary-token-0123456789', token_type: 'bearer' }
    response.end(JSON.stringify({ ...body, expires_in: lifetime }))
  })
  const api = await startServer(t, (_request, response) => {
    state.served += 1
    const pause = 4 + ((state.served * 37) % 23) + (state.served % 29 === 0 ? 90 : 0)
    setTimeout(() => {
      response.statusCode = state.served % 17 === 0 ? 404 : state.api
      response.end('{}')
    }, pause)
  })
  const adminPort = await freePort()
  const endpoint = `${tokenServer.url}/oauth/token`
  const sources = Array.from({ length: keys }, (_, index) => {
    const prefix = keys === 1 ? '' : `/key-${index}`
    const reading = readingOf(endpoint, { [prefix]: `${api.url}/intas/entities/v1` })
    const origin = 'SERVICE_BINDING_ROOT /bindings, binding "intas"'
    return { name: keys === 1 ? 'intas' : `intas-${index}`, read: () => ({ ...reading, origin }) }
  })
  const proxy = await startProxy(t, {
    sources,
    settings: {
      SKP_ADMIN_PORT: String(adminPort),
      SKP_ADMIN_HOST: '127.0.0.1',
      SKP_TOKEN_WAIT: '300ms',
      // One of the tests stops it before its end does.
      SKP_DRAIN_TIMEOUT: '1s',
      SKP_CALLER_TOKEN: 'canary-caller-token-1',
      SKP_ALLOW: 'GET|HEAD /**',
    },
  })
  let turn = 0
  /** Each key in turn. */
  const ask = (path: string, method = 'GET') => {
    turn += 1
    return call(proxy.port, {
      path: keys === 1 ? path : `/key-${turn % keys}${path}`,
      method,
      headers: { 'x-caller-token': 'canary-caller-token-1' },
    })
  }
  let running = true
  const traffic = (async () => {
    for (let round = 0; running; round += 1) {
      const size = 3 + Math.round(2 * Math.sin(round / 6))
      const paths = Array.from({ length: size }, (_, index) => PATHS[(round + index) % 5] as string)
      await Promise.all(paths.map((path) => ask(path)))
      await sleep(60)
    }
  })()
  const quiet = async (): Promise<void> => {
    running = false
    await traffic
  }
  t.teardown(quiet)
  return { url: `http://127.0.0.1:${adminPort}/`, state, ask, quiet, proxy }
}
