/** A forwarder as teams write it by hand: Fastify, and axios for the call. */
import { create } from 'axios'
import Fastify from 'fastify'
import { Agent } from 'node:http'
import { Agent as TlsAgent } from 'node:https'

const { BENCH_UPSTREAM, BENCH_AUTHORIZATION: authorization, PORT: port } = process.env
const client = create({
  baseURL: BENCH_UPSTREAM,
  httpAgent: new Agent({ keepAlive: true }),
  httpsAgent: new TlsAgent({ keepAlive: true }),
  responseType: 'stream',
  validateStatus: () => true,
  maxBodyLength: Infinity,
  maxRedirects: 0,
})

const app = Fastify({ logger: false })
app.removeAllContentTypeParsers()
app.addContentTypeParser('*', (_request, payload, done) => done(null, payload))
app.all('/*', async (request, reply) => {
  const { host: _host, connection: _connection, ...headers } = request.headers
  const answer = await client.request({
    method: request.method,
    url: request.url,
    headers: { ...headers, authorization },
    data: request.body,
  })
  const { connection: _own, 'transfer-encoding': _coding, ...fields } = answer.headers
  return reply.code(answer.status).headers(fields).send(answer.data)
})
await app.listen({ host: '127.0.0.1', port })
