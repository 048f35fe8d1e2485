/**
 * The HTTP server callers talk to: its limits, and the frame around every request (context, access
 * line, own error form). It does not know where requests go.
 */
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Failure } from '../errors.ts'
import type { OpenTrace } from '../tracing/trace-context.ts'
import { CallerConnections } from './caller-connection.ts'
import { FORWARDED_METHODS, sendFailure } from './failure-response.ts'
import { refuseBytes, TunnelError } from './parser-error.ts'
import { type RequestContext, openRequestContext } from './request-context.ts'
import type { ServerTiming } from './server-timing.ts'

interface DataServerOptions {
  /** Bytes of a request's header fields at most. */
  readonly maxHeaderSize: number
  /** For the head of a request, in ms; it may take a tenth longer. Default: 100 s. */
  readonly headTimeout?: number
  /** Monotonic ms. */
  readonly now: () => number
  /** SKP_EXPLAIN; `undefined`: off. */
  readonly openTiming?: (() => ServerTiming) | undefined
  /** How a request gets its trace. */
  readonly openTrace: OpenTrace
  /** Called once per request, when its head has arrived. */
  readonly onOpen: (request: IncomingMessage) => void
  /** Called once per request, when it is answered or its caller has gone. */
  readonly onDone: (
    request: IncomingMessage,
    response: ServerResponse,
    context: RequestContext,
  ) => void
  /** Called with errors that only a defect of this program can cause. */
  readonly onDefect: (error: unknown, context: RequestContext) => void
}

interface DataServer {
  readonly app: FastifyInstance
  readonly connections: CallerConnections
}

export const createDataServer = (options: DataServerOptions): DataServer => {
  const { headTimeout = HEAD_TIMEOUT_MS } = options
  const app = Fastify({
    keepAliveTimeout: KEEP_ALIVE_MS,
    http: {
      headersTimeout: headTimeout,
      connectionsCheckingInterval: headTimeout / 10,
      maxHeaderSize: options.maxHeaderSize,
      requireHostHeader: false,
      // No stream for a body that does not exist, from Node 24.12 on: nobody waits for its end here.
      optimizeEmptyRequests: true,
    },
    clientErrorHandler: (error, socket) => refuseBytes(error, socket, connections),
    // Stopping has its own steps and its own answer.
    return503OnClosing: false,
    exposeHeadRoutes: false,
    // A path that no router can decode never reaches hooks or handlers.
    frameworkErrors: (_error, request, reply) => {
      if (open(request, reply)) fail(request, reply, BAD_PATH)
    },
  })
  const connections = new CallerConnections(app.server)
  const open = createOpening(options, connections)
  takeOver(app.server, connections)
  for (const method of FORWARDED_METHODS) {
    // Declared bodyless, so that Fastify leaves bodies and their types alone: they are streamed.
    app.addHttpMethod(method, { hasBody: false, overrideExisting: true })
  }
  app.decorateRequest('context')
  app.addHook('onRequest', (request, reply, done) => {
    if (open(request, reply)) done()
  })
  setHandlers(app, options)
  return { app, connections }
}

const HEAD_TIMEOUT_MS = 100_000

/** Above the 90 s for which SAP's router keeps a connection: the router must be the one to close. */
const KEEP_ALIVE_MS = 95_000

const fail = (request: FastifyRequest, reply: FastifyReply, failure: Failure): void => {
  reply.hijack()
  sendFailure({ request: request.raw, response: reply.raw, context: request.context }, failure)
}

const BAD_PATH: Failure = { code: 'bad_request', detail: 'The path cannot be decoded.' }

/**
 * @returns a function that opens the context of a request, and returns whether it is well-formed;
 *   if not, it is answered
 */
const createOpening =
  (options: DataServerOptions, connections: CallerConnections) =>
  (request: FastifyRequest, reply: FastifyReply): boolean => {
    const { socket } = request.raw
    // Behind a request whose end is in doubt.
    if (connections.isRefused(socket)) {
      reply.hijack()
      return false
    }
    const { now, openTrace, openTiming } = options
    const context = openRequestContext(request.raw, now(), openTrace, openTiming?.())
    request.context = context
    connections.began(socket, reply.raw)
    options.onOpen(request.raw)
    reply.raw.on('close', () => options.onDone(request.raw, reply.raw, context))
    const fault = framingFault(request.raw)
    if (fault === undefined) return true
    // RFC 9112 §6.3
    reply.raw.setHeader('connection', 'close')
    connections.refuse(socket)
    fail(request, reply, { code: 'bad_request', detail: fault })
    return false
  }

/** What Node would decide by itself, and answer in its own words or not at all. */
const takeOver = (server: Server, connections: CallerConnections): void => {
  // Node 20 drops every field after the 1,000th, framing fields included; the size is limited.
  server.maxHeadersCount = 0
  server.on('checkContinue', (request, response) => {
    server.emit('request', request, response)
    const goOn = (): void => {
      // Who is refused need not send the body.
      if (!response.headersSent) response.writeContinue()
    }
    // Node would write it between head and body of a pipelined answer.
    if (response.socket === null) response.once('socket', goOn)
    else goOn()
  })
  server.on('checkExpectation', (request, response) => server.emit('request', request, response))
  server.on('connect', (_request, socket) => {
    // Node listens for its errors no longer, and one that nobody hears ends the process.
    socket.on('error', () => {})
    refuseBytes(new TunnelError(), socket as Socket, connections)
  })
}

/** Own answers instead of Fastify's. */
const setHandlers = (app: FastifyInstance, options: DataServerOptions): void => {
  app.setNotFoundHandler((request, reply) => {
    const known = FORWARDED_METHODS.includes(request.method)
    fail(
      request,
      reply,
      known
        ? { code: 'not_found' }
        : { code: 'not_allowed', status: 405, detail: 'Its method is never forwarded.' },
    )
  })
  app.setErrorHandler((error: Error & { statusCode?: number }, request, reply) => {
    const failure = failureOf(error)
    if (failure.code === 'internal') options.onDefect(error, request.context)
    fail(request, reply, failure)
  })
}

/**
 * What Node lets pass, or would refuse in its own words: heads about whose meaning two servers may
 * disagree, which is what request smuggling lives on.
 *
 * @returns why the request is refused, after which its connection cannot be used any further
 */
const framingFault = (request: IncomingMessage): string | undefined => {
  const { headers, httpVersion: version } = request
  if (!VERSIONS.has(version)) return 'It is neither HTTP/1.0 nor HTTP/1.1.'
  if (Number(headers['content-length']) > Number.MAX_SAFE_INTEGER) {
    return 'Its Content-Length is too large to be true.'
  }
  return (
    codingFault(headers['transfer-encoding'], version) ?? hostFault(request.rawHeaders, version)
  )
}

const VERSIONS: ReadonlySet<string> = new Set(['1.0', '1.1'])

const codingFault = (coding: string | undefined, version: string): string | undefined => {
  if (coding === undefined) return undefined
  // RFC 9112 §6.1; any other coding would have to be undone before the body goes on.
  if (version === '1.0') return 'HTTP/1.0 has no Transfer-Encoding.'
  return /^chunked$/i.test(coding.trim())
    ? undefined
    : 'Its Transfer-Encoding is not just "chunked".'
}

const hostFault = (raw: readonly string[], version: string): string | undefined => {
  const hosts: string[] = []
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i] as string
    if (name.length === 4 && name.toLowerCase() === 'host') hosts.push(raw[i + 1] as string)
  }
  const [host] = hosts
  // RFC 9112 §3.2
  if (host === undefined) return version === '1.1' ? 'The Host field is missing.' : undefined
  if (hosts.length > 1) return 'It has more than one Host field.'
  if (host.length > MAX_HOST) return `The Host field is longer than ${MAX_HOST} octets.`
  return isHost(host) ? undefined : 'The Host field is not a host.'
}

/** Of a name (RFC 1035 §2.3.4); it becomes what bodies are searched for. */
const MAX_HOST = 255

/** Anything else could end up in the links of an answer (RFC 3986 §3.2.2, without sub-delims). */
const isHost = (host: string): boolean => /^[\w.:[\]%-]*$/.test(host)

/** Errors of Fastify and http-proxy: refused requests carry a 4xx status, anything else is ours. */
const failureOf = (error: { statusCode?: number }): Failure =>
  error.statusCode !== undefined && error.statusCode >= 400 && error.statusCode < 500
    ? BAD_PATH
    : { code: 'internal' }
