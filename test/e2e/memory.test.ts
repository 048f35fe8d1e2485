/** Streaming holds nothing: the built program's resident memory, read from the system. */
import t from 'tap'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import http from 'node:http'
import { call } from '../fixtures/http-client.ts'
import { startProgram } from '../fixtures/program.ts'
import { startTokenServer } from '../fixtures/proxy.ts'
import { startStreamingServer } from '../fixtures/recording-server.ts'

const residentBytes = (pid: number): number => {
  const pages = readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]
  return Number(pages) * 4096
}

const SIZE = 256 * 1024 * 1024
const CHUNK = Buffer.alloc(1024 * 1024, 'x')

const writeAll = async (target: NodeJS.WritableStream, onChunk: () => void): Promise<void> => {
  for (let sent = 0; sent < SIZE; sent += CHUNK.length) {
    onChunk()
    if (!target.write(CHUNK)) await once(target, 'drain')
  }
  target.end()
}

t.test(
  '256 MB up and down grow the resident memory by less than 80 MB',
  { skip: process.platform === 'linux' ? false : 'reads /proc' },
  async (t) => {
    let received = 0
    const api = await startStreamingServer(t, (request, response) => {
      request.on('data', (chunk: Buffer) => (received += chunk.length))
      request.on('end', () => void writeAll(response, () => {}))
    })
    const { url } = await startTokenServer(t)
    const credentials = { entities: api.url, url, clientid: 'sb-client!b1', clientsecret: 'secret' }
    const services = { 'integration-assessment': [{ name: 'intas', credentials }] }
    const { child, logged } = startProgram(t, [], {
      PORT: '0',
      VCAP_SERVICES: JSON.stringify(services),
    })
    const { address } = await logged('listening')
    const port = Number(new URL(String(address)).port)
    await call(port, { path: '/-/ready' })
    const pid = child.pid ?? 0
    const before = residentBytes(pid)
    let peak = before
    const measure = (): void => {
      peak = Math.max(peak, residentBytes(pid))
    }
    const request = http.request({ port, host: '127.0.0.1', method: 'POST', agent: false })
    void writeAll(request, measure)
    const [response] = (await once(request, 'response')) as [http.IncomingMessage]
    let returned = 0
    for await (const chunk of response) {
      returned += (chunk as Buffer).length
      measure()
    }
    t.equal(received, SIZE)
    t.equal(returned, SIZE)
    const growth = Math.round((peak - before) / 1024 / 1024)
    t.ok(growth < 80, `grew by ${growth} MB`)
  },
)
