/**
 * The API behind the proxies: documents of some sizes on GET, reads POST bodies to their end. Wrong
 * tokens and sizes are errors, so that a proxy that does less than its job cannot look fast. Over
 * http and TLS; a third port tells how many connections were opened. Plain .mjs: no loader.
 */
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { once } from 'node:events'

const { authorization, certificate, key, documents, base } = JSON.parse(
  readFileSync(process.argv[2], 'utf8'),
)

/** Path → what a GET is answered with, and how long a POST has to be. */
const bodies = new Map()

/** @param own URL of this API, to which the documents link */
const fill = (own) => {
  for (const [path, { type, text, bytes }] of Object.entries(documents)) {
    const body = text?.replaceAll(base, own) ?? 'x'.repeat(bytes)
    bodies.set(`/v1${path}`, { type, body: Buffer.from(body) })
  }
}

const answer = (response, status, type, body) => {
  response.writeHead(status, ['content-type', type, 'content-length', body.length])
  response.end(body)
}

const EMPTY = Buffer.from('{}')
const JSON_TYPE = 'application/json'

const serve = (request, response) => {
  if (request.headers.authorization !== authorization)
    return answer(response, 401, JSON_TYPE, EMPTY)
  const document = bodies.get(request.url)
  if (document === undefined) return answer(response, 404, JSON_TYPE, EMPTY)
  if (request.method !== 'POST') return answer(response, 200, document.type, document.body)
  let received = 0
  request.on('data', (chunk) => {
    received += chunk.length
  })
  request.on('end', () => {
    answer(response, received === document.body.length ? 201 : 400, JSON_TYPE, EMPTY)
  })
}

let opened = 0
const listen = async (server) => {
  server.on('connection', () => {
    opened += 1
  })
  // The proxies decide when a connection ends, not this server in a pause between two rounds.
  server.keepAliveTimeout = 0
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return server.address().port
}

const plain = await listen(createServer(serve))
fill(`http://127.0.0.1:${plain}/v1`)
const tls = await listen(createTlsServer({ cert: certificate, key }, serve))
const counter = createServer((_request, response) => response.end(String(opened)))
counter.listen(0, '127.0.0.1')
await once(counter, 'listening')
process.stdout.write(`${JSON.stringify({ plain, tls, counter: counter.address().port })}\n`)
