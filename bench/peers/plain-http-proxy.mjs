/**
 * What one writes without this project: Fastify and @fastify/http-proxy with their defaults, no
 * log, and a token that never changes. Plain .mjs, so that no loader distorts the figures.
 */
import httpProxy from '@fastify/http-proxy'
import Fastify from 'fastify'

const { BENCH_UPSTREAM: upstream, BENCH_AUTHORIZATION: authorization, PORT: port } = process.env

const app = Fastify({ logger: false, bodyLimit: 100 * 1024 * 1024 })
app.register(httpProxy, {
  upstream,
  replyOptions: {
    rewriteRequestHeaders: (_request, headers) => ({ ...headers, authorization }),
  },
})
await app.listen({ host: '127.0.0.1', port })
