/**
 * Whoever is slow keeps nobody else waiting: a request that could be answered at once is, while very many
 * slow ones are under way and stay so. The settings are those in force without any.
 */
import t, { type Test } from 'tap'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import net, { type Socket } from 'node:net'
import { call, type Call } from '../fixtures/http-client.ts'
import { startProxy } from '../fixtures/proxy.ts'
import { startStreamingServer } from '../fixtures/recording-server.ts'

const NEIGHBOURS = 300
const MB = 1024 * 1024
const BATCH_TYPE = 'multipart/mixed; boundary=b'
const PART = 'Content-Type: application/http\r\n\r\nGET Vendor HTTP/1.1\r\n\r\n\r\n'
const GOOD_BATCH = `--b\r\n${PART}--b--\r\n`

/** An API that answers what is fast; of anything else it sends the beginning, or nothing. */
const startApi = async (t: Test) => {
  let held = 0
  const api = await startStreamingServer(t, (request, response) => {
    request.on('error', () => {})
    const path = (request.url as string).split('?', 1)[0] as string
    if (path === '/fast' || path === '/$batch')
      return void request.resume().on('end', () => response.end('ok'))
    held += 1
    if (path === '/export') response.writeHead(200, { 'content-length': 5 * MB }).write('[')
    if (path === '/upload') request.resume()
  })
  return { url: api.url, held: () => held }
}

interface Slow {
  readonly count: number
  /** What each of them sends; then it is silent. */
  readonly bytes: string
  /** Whether the API has to have it, so that it holds a connection. */
  readonly isForwarded: boolean
  readonly settings?: Readonly<Record<string, string>>
  /** Needs the same room. */
  readonly fast?: Call
}

const GET = 'HTTP/1.1\r\nhost: x\r\n'

const SCENES: Readonly<Record<string, Slow>> = {
  'requests that the API works on': {
    count: NEIGHBOURS,
    bytes: `GET /slow ${GET}\r\n`,
    isForwarded: true,
  },
  'readers of responses that take long': {
    count: NEIGHBOURS,
    bytes: `GET /export ${GET}\r\n`,
    isForwarded: true,
  },
  'senders of bodies that take long': {
    count: NEIGHBOURS,
    bytes: `POST /upload ${GET}transfer-encoding: chunked\r\n\r\n1\r\nx\r\n`,
    isForwarded: true,
  },
  'senders of small bodies that take long': {
    count: NEIGHBOURS,
    bytes: `POST /upload ${GET}content-length: 10\r\n\r\nx`,
    isForwarded: false,
  },
  'callers that say nothing': { count: NEIGHBOURS, bytes: '', isForwarded: false },
  'guarded batches that stop before their end': {
    count: 32,
    bytes: `POST /$batch ${GET}content-type: ${BATCH_TYPE}\r\ncontent-length: ${MB}\r\n\r\n${'\r\n'.repeat(MB / 2 - 1)}`,
    isForwarded: false,
    settings: { SKP_ACCESS: 'read-only' },
    fast: {
      method: 'POST',
      path: '/$batch',
      headers: { 'content-type': BATCH_TYPE, 'content-length': GOOD_BATCH.length },
      body: GOOD_BATCH,
    },
  },
}

/** Sends all of it, and takes nothing that comes back. */
const open = async (t: Test, port: number, bytes: string): Promise<Socket> => {
  const socket = net.connect(port, '127.0.0.1').pause()
  t.teardown(() => socket.destroy())
  socket.on('error', () => {})
  await once(socket, 'connect')
  if (bytes !== '')
    await new Promise((resolve) => {
      socket.write(bytes, resolve)
    })
  return socket
}

const nextTurn = () => new Promise(setImmediate)

/** Sockets of all servers in this process. */
const acceptedFromHere = (t: Test): readonly Socket[] => {
  const sockets: Socket[] = []
  const note = (message: unknown): void =>
    void sockets.push((message as { readonly socket: Socket }).socket)
  subscribe('net.server.socket', note)
  t.teardown(() => unsubscribe('net.server.socket', note))
  return sockets
}

for (const [title, { count, bytes, isForwarded, settings = {}, fast }] of Object.entries(SCENES)) {
  t.test(`a fast request is answered beside ${count} ${title}`, async (t) => {
    const api = await startApi(t)
    const { port, log } = await startProxy(t, { api: api.url, settings })
    const sockets = acceptedFromHere(t)
    await Promise.all(Array.from({ length: count }, () => open(t, port, bytes)))
    const arrived = () => sockets.filter(({ bytesRead }) => bytesRead === bytes.length)
    while (arrived().length < count) await nextTurn()
    while (isForwarded && api.held() < count) await nextTurn()
    const answered = async (request: Call): Promise<void> => {
      const { status, body } = await call(port, request)
      t.same([status, body.toString()], [200, 'ok'])
    }
    await answered({ path: '/fast' })
    t.equal(log.filter(({ type }) => type === 'request').length, 1, 'the slow ones are still there')
    if (fast === undefined) return
    await answered(fast)
    // One of the slow ones has made room.
    while (!log.some(({ error_code: code }) => code === 'overloaded')) await nextTurn()
  })
}
