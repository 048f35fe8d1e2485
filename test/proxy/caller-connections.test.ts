import t from 'tap'
import { EventEmitter, once } from 'node:events'
import http from 'node:http'
import net, { type AddressInfo } from 'node:net'
import { CallerConnections } from '../../src/proxy/caller-connections.ts'

t.test('closes what has no request in flight, and nothing else', async (t) => {
  let finish: (() => void) | undefined
  const server = http.createServer((request, response) => {
    connections.began(request.socket, response)
    if (request.url === '/slow') finish = () => response.end('done')
    else response.end('ok')
  })
  // It would close what is idle by itself.
  server.keepAliveTimeout = 0
  const connections = new CallerConnections(server)
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  t.teardown(() => server.close())
  const { port } = server.address() as AddressInfo
  const open = async (path: string | undefined) => {
    const socket = net.connect(port, '127.0.0.1')
    await once(socket, 'connect')
    if (path !== undefined) socket.write(`GET ${path} HTTP/1.1\r\nhost: x\r\n\r\n`)
    return socket
  }
  const silent = await open(undefined)
  const answered = await open('/fast')
  await once(answered, 'data')
  const busy = await open('/slow')
  while (finish === undefined) await new Promise(setImmediate)
  const closed = [silent, answered].map((socket) => once(socket.resume(), 'close'))
  connections.closeUnused()
  await Promise.all(closed)
  finish()
  const [bytes] = (await once(busy, 'data')) as [Buffer]
  t.match(bytes.toString(), /^HTTP\/1\.1 200 OK/)
  busy.destroy()
})

t.test(
  'a caller that leaves ends each of its requests once, those in the queue as well',
  async (t) => {
    const closed: string[] = []
    let seen = 0
    const server = http.createServer((request, response) => {
      seen += 1
      connections.began(request.socket, response)
      response.on('close', () => closed.push(request.url as string))
    })
    const connections = new CallerConnections(server)
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve)
    })
    t.teardown(() => server.close())
    const caller = net.connect((server.address() as AddressInfo).port, '127.0.0.1')
    const requests = ['/1', '/2', '/3'].map((path) => `GET ${path} HTTP/1.1\r\nhost: x\r\n\r\n`)
    caller.write(requests.join(''))
    const [accepted] = (await once(server, 'connection')) as [net.Socket]
    while (seen < 3) await new Promise(setImmediate)
    caller.destroy()
    await once(accepted, 'close')
    for (let turn = 0; turn < 5; turn += 1) await new Promise(setImmediate)
    t.same(closed.toSorted(), ['/1', '/2', '/3'])
  },
)

for (const [version, closed] of Object.entries({ 'Node 20': false, 'Node 24': true })) {
  t.test(`which ${version} by itself ${closed ? 'does' : 'does not'}`, async (t) => {
    const server = new EventEmitter()
    const connections = new CallerConnections(server as http.Server)
    const socket = new EventEmitter() as net.Socket
    server.emit('connection', socket)
    const queued = Object.assign(new EventEmitter(), { socket: null, closed: false, destroy() {} })
    connections.began(socket, queued as unknown as http.ServerResponse)
    let told = 0
    queued.on('close', () => (told += 1))
    socket.emit('close')
    queued.closed = closed
    await new Promise(setImmediate)
    t.equal(told, closed ? 0 : 1)
  })
}
