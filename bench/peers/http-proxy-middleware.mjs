/** http-proxy-middleware in Express, as its README has it, with kept connections. */
import express from 'express'
import { createProxyMiddleware } from 'http-proxy-middleware'
import { Agent } from 'node:http'
import { Agent as TlsAgent } from 'node:https'

const { BENCH_UPSTREAM: target, BENCH_AUTHORIZATION: authorization, PORT: port } = process.env
const agent = target.startsWith('https')
  ? new TlsAgent({ keepAlive: true })
  : new Agent({ keepAlive: true })

const app = express()
app.use(createProxyMiddleware({ target, changeOrigin: true, agent, headers: { authorization } }))
app.listen(Number(port), '127.0.0.1')
