/** Names of several addresses, of which the first does not answer, or not soon. */
import t, { type Test } from 'tap'
import { spawn } from 'node:child_process'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import net, { type Socket } from 'node:net'
import { connectToFirst, unlessAborted } from '../../src/outbound/connection.ts'
import { startConnectProxy } from '../fixtures/connect-proxy.ts'
import { call } from '../fixtures/http-client.ts'
import { resolveNames } from '../fixtures/names.ts'
import { startProxy, startTokenServer } from '../fixtures/proxy.ts'
import { startServer } from '../fixtures/recording-server.ts'

const SLOW = '127.0.0.2'
/** Where nothing listens, unless a test says so. */
const OTHER = '127.0.0.3'

/** Leads to a port of 127.0.0.1, and holds few connections that it has not accepted. */
const RELAY = `
  const net = require('node:net')
  const server = net.createServer((socket) => {
    const target = net.connect(Number(process.env.TARGET), '127.0.0.1')
    for (const one of [socket, target]) one.on('error', () => {})
    socket.pipe(target).pipe(socket)
  })
  server.listen({ port: 0, host: '${SLOW}', backlog: 1 }, () => console.log(server.address().port))
`

/** Stopped, with so many connections waiting that the kernel drops what comes: as a slow line does. */
const startSlow = async (t: Test, target: number) => {
  const child = spawn(process.execPath, ['-e', RELAY], {
    env: { TARGET: String(target) },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [line] = (await once(child.stdout, 'data')) as [Buffer]
  const port = Number(line)
  child.kill('SIGSTOP')
  const fillers = Array.from({ length: 4 }, () => net.connect(port, SLOW).on('error', () => {}))
  await Promise.all(fillers.slice(0, 2).map((socket) => once(socket, 'connect')))
  t.teardown(() => {
    for (const socket of fillers) socket.destroy()
    child.kill('SIGKILL')
  })
  return { port, goOn: (): boolean => child.kill('SIGCONT') }
}

/** Calls when a connection to that address has failed. */
const onFailure = (t: Test, address: string, react: () => void): void => {
  const watch = (message: unknown): void => {
    const { socket } = message as { socket: Socket }
    socket.on('error', (error: { address?: string }) => {
      if (error.address === address) react()
    })
  }
  subscribe('net.client.socket', watch)
  t.teardown(() => unsubscribe('net.client.socket', watch))
}

type Start = (t: Test, api: number, tokens: number) => Promise<{ port: number; goOn: () => void }>

/** @returns the port of the running proxy, and what lets the slow one go on */
const WAYS: Readonly<Record<string, Start>> = {
  async 'the API'(t, api, tokens) {
    const { port, goOn } = await startSlow(t, api)
    const tokenEndpoint = `http://127.0.0.1:${tokens}/oauth/token`
    const proxy = await startProxy(t, { api: `http://slow.test:${port}`, tokenEndpoint })
    return { port: proxy.port, goOn }
  },
  async 'the token server'(t, api, tokens) {
    const { port, goOn } = await startSlow(t, tokens)
    const tokenEndpoint = `http://slow.test:${port}/oauth/token`
    // Before the start, which asks for the first token.
    onFailure(t, OTHER, goOn)
    const proxy = await startProxy(t, { api: `http://127.0.0.1:${api}`, tokenEndpoint })
    return { port: proxy.port, goOn }
  },
  async 'the proxy on the way'(t, api, tokens) {
    const between = await startConnectProxy(t, { hosts: { 'api.test:80': api } })
    const { port, goOn } = await startSlow(t, between.port)
    const tokenEndpoint = `http://127.0.0.1:${tokens}/oauth/token`
    const way = {
      origin: `http://slow.test:${port}`,
      authorization: undefined,
      variable: 'HTTP_PROXY',
    }
    const proxyFor = ({ hostname }: URL) => (hostname === 'api.test' ? way : undefined)
    const proxy = await startProxy(t, { api: 'http://api.test', tokenEndpoint, proxyFor })
    return { port: proxy.port, goOn }
  },
}

for (const [title, start] of Object.entries(WAYS)) {
  t.test(`${title} may take longer than 250 ms, whatever its other address does`, async (t) => {
    resolveNames(t, { 'slow.test': [SLOW, OTHER] })
    const api = await startServer(t, (_request, response) => response.end('{}'))
    const tokens = await startTokenServer(t)
    const { port, goOn } = await start(t, api.port, tokens.port)
    onFailure(t, OTHER, goOn)
    t.match(await call(port), { status: 200 })
  })
}

t.test('an address that never answers costs the others little', async (t) => {
  const api = await startServer(t, (_request, response) => response.end('{}'))
  const tokens = await startTokenServer(t)
  const { port: silent } = await startSlow(t, api.port)
  resolveNames(t, { 'slow.test': [SLOW, SLOW, '2001:db8::1', OTHER] })
  const live = net
    .createServer((socket) => void socket.pipe(net.connect(api.port, '127.0.0.1')).pipe(socket))
    .listen(silent, OTHER)
  t.teardown(() => live.close())
  const { port } = await startProxy(t, {
    api: `http://slow.test:${silent}`,
    tokenEndpoint: `http://127.0.0.1:${tokens.port}/oauth/token`,
  })
  t.match(await call(port), { status: 200 })
})

t.test('SKP_CONNECT_TIMEOUT is for all addresses together', async (t) => {
  const { port: silent } = await startSlow(t, 1)
  resolveNames(t, { 'slow.test': [SLOW, SLOW] })
  const { port } = await startProxy(t, {
    api: `http://slow.test:${silent}`,
    settings: { SKP_CONNECT_TIMEOUT: '300ms' },
  })
  const answer = await call(port)
  t.match(answer, { status: 504, headers: { 'x-error-code': 'upstream_timeout' } })
  t.match(answer.body.toString(), /SKP_CONNECT_TIMEOUT=300ms/)
})

t.test('of several failures that of a way that is there is told', async (t) => {
  const { signal } = new AbortController()
  const noWay = { address: '255.255.255.255', family: 4 }
  const refused = { address: OTHER, family: 4 }
  for (const addresses of [
    [refused, noWay],
    [noWay, refused],
  ]) {
    await t.rejects(connectToFirst(addresses, 1, signal), { code: 'ECONNREFUSED' })
  }
})

t.test('nothing is waited for once there is no time left', async (t) => {
  const never = new Promise<never>(() => {})
  await t.rejects(unlessAborted(AbortSignal.abort(), never), { name: 'AbortError' })
})
