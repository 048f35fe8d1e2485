/**
 * What one writes without this project: Fastify and @fastify/http-proxy with their defaults, no
 * log, and a token that never changes. Plain .mjs, so that no loader distorts the figures.
 */
import httpProxy from '@fastify/http-proxy'
import Fastify from 'fastify'

const authorization = process.env.BENCH_AUTHORIZATION

const app = Fastify({ logger: false })
app.register(httpProxy, {
  upstream: process.env.BENCH_UPSTREAM,
  replyOptions: {
    rewriteRequestHeaders: (_request, headers) => ({ ...headers, authorization }),
  },
})

process.stdout.write(`${await app.listen({ host: '127.0.0.1', port: 0 })}\n`)
