/** Streaming holds nothing: the built program's resident memory, read from the system. */
import t, { type Test } from 'tap'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import http from 'node:http'
import { pipeline, Readable } from 'node:stream'
import { gzipSync } from 'node:zlib'
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

const skip = process.platform === 'linux' ? false : 'reads /proc'

/** The built program before an API; `growth` says by how much it has grown at most since it was ready. */
const start = async (
  t: Test,
  respond: (request: http.IncomingMessage, response: http.ServerResponse, base: string) => void,
) => {
  const api = await startStreamingServer(t, (request, response) =>
    respond(request, response, `${api.url}/v1`),
  )
  const { url } = await startTokenServer(t)
  const key = { entities: `${api.url}/v1`, url, clientid: 'sb-client!b1', clientsecret: 'secret' }
  const services = { 'integration-assessment': [{ name: 'intas', credentials: key }] }
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
  return { port, measure, growth: () => Math.round((peak - before) / 1024 / 1024) }
}

t.test('256 MB up and down grow the resident memory by less than 80 MB', { skip }, async (t) => {
  let received = 0
  const { port, measure, growth } = await start(t, (request, response) => {
    request.on('data', (chunk: Buffer) => (received += chunk.length))
    request.on('end', () => void writeAll(response, () => {}))
  })
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
  t.ok(growth() < 80, `grew by ${growth()} MB`)
})

const REPEATED = 128

t.test('128 MB with links, plain and compressed, do not do so either', { skip }, async (t) => {
  const { port, measure, growth } = await start(t, (request, response, base) => {
    const document = Buffer.from(`{"uri":"${base}/Vendor"}`.padEnd(CHUNK.length))
    const isCompressed = request.url?.endsWith('gzip') === true
    const chunk = isCompressed ? gzipSync(document) : document
    response.setHeader('content-type', 'application/json')
    if (isCompressed) response.setHeader('content-encoding', 'gzip')
    pipeline(Readable.from(Array.from({ length: REPEATED }, () => chunk)), response, () => {})
  })
  const own = `{"uri":"http://127.0.0.1:${port}/Vendor"}`
  for (const path of ['/plain', '/gzip']) {
    const request = http.get({ port, host: '127.0.0.1', path, agent: false })
    const [response] = (await once(request, 'response')) as [http.IncomingMessage]
    let links = 0
    for await (const chunk of response) {
      if ((chunk as Buffer).includes(own)) links += 1
      measure()
    }
    // Less than all: some are cut in two here, or share a chunk.
    t.ok(links > REPEATED / 2, `${links} links`)
  }
  t.ok(growth() < 80, `grew by ${growth()} MB`)
})
