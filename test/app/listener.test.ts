/** A host that is a name of several addresses: each of them is the same server. */
import t, { type Test } from 'tap'
import { EventEmitter, once } from 'node:events'
import type { ServerResponse } from 'node:http'
import net from 'node:net'
import { freePort } from '../fixtures/free-port.ts'
import { resolveNames } from '../fixtures/names.ts'
import { startProxy } from '../fixtures/proxy.ts'
import { startServer } from '../fixtures/recording-server.ts'

/** All are on this machine, so that the tests need no IPv6. */
const ADDRESSES = ['127.0.0.1', '127.0.0.2']

/** On no machine (RFC 5737), as ::1 is not where there is no IPv6. */
const ELSEWHERE = '192.0.2.1'

const resolveTo = (t: Test, addresses: readonly string[]): void =>
  resolveNames(t, { localhost: addresses })

/** All that comes back until the server closes; ends its side after an answer in JSON. */
const talk = async (host: string, port: number, bytes: string): Promise<string> => {
  const socket = net.connect(port, host, () => socket.write(bytes))
  let received = ''
  socket.setEncoding('latin1').on('data', (chunk: string) => {
    received += chunk
    if (received.endsWith('}')) socket.end()
  })
  await once(socket, 'close')
  return received
}

const settings = { SKP_HOST: 'localhost' }

const GET = 'GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n'

const REQUESTS: Readonly<Record<string, readonly [bytes: string, answer: RegExp]>> = {
  'a request': [GET, /^HTTP\/1\.1 200 /],
  CONNECT: ['CONNECT x:443 HTTP/1.1\r\nHost: x:443\r\n\r\n', /^HTTP\/1\.1 400 .*bad_request/s],
  'bytes that are no request': ['BAD\r\n\r\n', /^HTTP\/1\.1 400 .*bad_request/s],
  'a refused request that expects to go on': [
    'POST /%2e%2e/x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n',
    /^HTTP\/1\.1 400 (?!.*100 Continue)/s,
  ],
  'two Host fields, and a request behind': [
    `GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n${GET}`,
    /^HTTP\/1\.1 400 (?!.*HTTP\/1\.1)/s,
  ],
  'a head that is too large': [
    `GET / HTTP/1.1\r\nHost: localhost\r\nx: ${'x'.repeat(70_000)}\r\n\r\n`,
    /^HTTP\/1\.1 431 .*bad_request/s,
  ],
}

t.test('every address of a name answers alike', async (t) => {
  resolveTo(t, [ELSEWHERE, ...ADDRESSES, '127.0.0.1'])
  const api = await startServer(t, (_request, response) => response.end('{}'))
  const { port, log } = await startProxy(t, { api: api.url, settings })
  for (const [title, [bytes, expected]] of Object.entries(REQUESTS)) {
    for (const address of ADDRESSES) t.match(await talk(address, port, bytes), expected, title)
  }
  t.equal(api.requests.length, ADDRESSES.length)
  t.equal(log.filter(({ type }) => type === 'request').length, 3 * ADDRESSES.length)
})

t.test('a stop finishes requests on every address, and leaves nothing that listens', async (t) => {
  resolveTo(t, ADDRESSES)
  const held: ServerResponse[] = []
  const arrived = new EventEmitter()
  const api = await startServer(t, (_request, response) => {
    if (held.push(response) === ADDRESSES.length) arrived.emit('both')
  })
  const { port, app, log } = await startProxy(t, { api: api.url, settings })
  const idle = ADDRESSES.map((address) => net.connect(port, address).resume())
  await Promise.all(idle.map((socket) => once(socket, 'connect')))
  const closed = idle.map((socket) => once(socket, 'close'))
  const calls = ADDRESSES.map((address) => talk(address, port, GET))
  await once(arrived, 'both')
  const stopped = app.stop()
  for (const response of held) response.end('{}')
  await Promise.all([stopped, ...closed])
  for (const answer of await Promise.all(calls)) t.match(answer, /^HTTP\/1\.1 200 /)
  t.notMatch(JSON.stringify(log), /cut off/)
  for (const address of ADDRESSES) {
    await t.rejects(once(net.connect(port, address), 'connect'), { code: 'ECONNREFUSED' }, address)
  }
})

t.test('the admin port has every address as well', async (t) => {
  resolveTo(t, ADDRESSES)
  const admin = await freePort()
  const { app } = await startProxy(t, {
    settings: { SKP_ADMIN_HOST: 'localhost', SKP_ADMIN_PORT: String(admin) },
  })
  const live = GET.replace('/', '/live')
  for (const address of ADDRESSES) {
    t.match(await talk(address, admin, live), /^HTTP\/1\.1 200 .*UP/s)
    const foreign = live.replace('localhost', 'attacker.example')
    t.match(await talk(address, admin, foreign), /^HTTP\/1\.1 403 /)
  }
  await app.stop()
})

t.test('a port that somebody else has on one of the addresses is none to take', async (t) => {
  resolveTo(t, ADDRESSES)
  const other = net.createServer().listen(0, ADDRESSES[1])
  await once(other, 'listening')
  t.teardown(() => other.close())
  const { port } = other.address() as net.AddressInfo
  const start = startProxy(t, { settings: { ...settings, SKP_PORT: String(port) } })
  await t.rejects(start, { code: 'EADDRINUSE', port })
  // Nothing is left that listens on the first one.
  await once(net.createServer().listen(port, ADDRESSES[0]).unref(), 'listening')
})
