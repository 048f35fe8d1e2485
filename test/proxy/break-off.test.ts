import t, { type Test } from 'tap'
import { once } from 'node:events'
import net, { type Socket } from 'node:net'
import { startProxy } from '../fixtures/proxy.ts'
import { startRawServer } from '../fixtures/recording-server.ts'

const OK = 'HTTP/1.1 200 OK\r\nconnection: close\r\n'

/** A caller whose first request waits, while the answer to its second one has broken off. */
const start = async (t: Test) => {
  let first: Socket | undefined
  let broken: Promise<unknown> | undefined
  const api = await startRawServer(t, (socket) =>
    socket.on('data', (bytes: Buffer) => {
      if (bytes.includes('GET /1 ')) first = socket
      else {
        broken = once(socket, 'close')
        socket.end(`${OK}content-length: 20\r\n\r\npart`)
      }
    }),
  )
  const { port } = await startProxy(t, { api: api.url })
  const caller = net.connect(port, '127.0.0.1')
  caller.write('GET /1 HTTP/1.1\r\nhost: x\r\n\r\nGET /2 HTTP/1.1\r\nhost: x\r\n\r\n')
  let received = ''
  caller.setEncoding('latin1').on('data', (chunk: string) => (received += chunk))
  const closed = once(caller, 'close')
  while (first === undefined || broken === undefined) await new Promise(setImmediate)
  await broken
  const answerFirst = first
  return {
    caller,
    /** @returns all that the caller got until its connection was closed */
    finish: async (): Promise<string> => {
      answerFirst.end(`${OK}content-length: 5\r\n\r\nfirst`)
      await closed
      return received
    },
  }
}

t.test('an answer that breaks off before its turn ends the connection in its turn', async (t) => {
  const { finish } = await start(t)
  t.match(await finish(), /^HTTP\/1\.1 200 OK\r\n[^]*\r\n\r\nfirst$/)
})

t.test('what is refused behind it comes before no answer that is under way', async (t) => {
  const { caller, finish } = await start(t)
  caller.write('no request\r\n\r\n')
  t.match(await finish(), /^HTTP\/1\.1 200 OK\r\n[^]*\r\n\r\nfirst/)
})
