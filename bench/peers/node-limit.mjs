/**
 * Node's limit for HTTP: node:http and undici's dispatch, written by hand for this benchmark. No
 * errors, no limits, no log, no aborts: nobody could run it. It shows what is physically there.
 */
import { createServer } from 'node:http'
import { Pool } from 'undici'

const { BENCH_UPSTREAM, BENCH_AUTHORIZATION: authorization, PORT: port } = process.env
const { origin, pathname } = new URL(BENCH_UPSTREAM)
const pool = new Pool(origin, { connections: 128, pipelining: 1 })
const DROPPED = new Set(['connection', 'keep-alive', 'host', 'authorization', 'transfer-encoding'])

const kept = (raw) => {
  const fields = []
  for (let i = 0; i < raw.length; i += 2) {
    if (!DROPPED.has(raw[i].toString('latin1').toLowerCase())) fields.push(raw[i], raw[i + 1])
  }
  return fields
}

const text = (raw) => raw.map((part) => part.toString('latin1'))

const server = createServer((request, response) => {
  const headers = kept(request.rawHeaders)
  headers.push('authorization', authorization)
  const send = (body) =>
    pool.dispatch(
      { path: pathname + request.url, method: request.method, headers, body },
      {
        onConnect() {},
        onHeaders(status, raw, resume) {
          response.on('drain', resume)
          response.writeHead(status, kept(text(raw)))
          return true
        },
        onData: (chunk) => response.destroyed || response.write(chunk),
        onComplete: () => response.end(),
        onError: () => response.destroy(),
      },
    )
  const length = Number(request.headers['content-length'] ?? 0)
  if (length === 0) return send(null)
  if (length > 64 * 1024) return send(request)
  const chunks = []
  request.on('data', (chunk) => chunks.push(chunk))
  request.on('end', () => send(Buffer.concat(chunks)))
})
server.listen(Number(port), '127.0.0.1')
