/**
 * The API behind the proxies: 2 KB of JSON on GET, swallows POST bodies. Wrong tokens and sizes are
 * errors, so that a proxy that does less than its job cannot look fast. Plain .mjs: no loader.
 */
import { createServer } from 'node:http'

const expected = process.env.BENCH_AUTHORIZATION
const postBytes = Number(process.env.BENCH_POST_BYTES)
const document = process.env.BENCH_DOCUMENT

const answer = (response, status, body) => {
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
  })
  response.end(body)
}

const server = createServer((request, response) => {
  if (request.headers.authorization !== expected) return answer(response, 401, '{}')
  if (request.url !== '/v1/Vendor') return answer(response, 404, '{}')
  if (request.method !== 'POST') return answer(response, 200, document)
  let received = 0
  request.on('data', (chunk) => {
    received += chunk.length
  })
  request.on('end', () => answer(response, received === postBytes ? 201 : 400, '{}'))
})

// The proxies decide when a connection ends, not this server in a pause between two rounds.
server.keepAliveTimeout = 0
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`http://127.0.0.1:${server.address().port}\n`)
})
