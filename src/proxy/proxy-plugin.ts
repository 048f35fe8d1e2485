/** The request's journey: admission → token → forward. */
import httpProxy from '@fastify/http-proxy'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import { Client } from 'undici'
import type { Failure } from '../errors.ts'
import type { Phase } from '../lifecycle.ts'
import type { AccessRules } from '../policy/access-policy.ts'
import { isPlainTarget, pathOf, resolveTarget } from '../policy/request-target.ts'
import type { AccessToken } from '../token/access-token.ts'
import { departureOf } from './caller-connection.ts'
import { forward, type ExchangeOptions } from './exchange.ts'
import { FORWARDED_METHODS, sendFailure } from './failure-response.ts'
import { createBodyReader, judgeBody, judgeHead } from './guarded-request.ts'
import { requestHeaders } from './headers.ts'
import { fitLength, type RequestBody, type RequestRewriter } from './request-body.ts'
import type { RequestContext } from './request-context.ts'
import { type Route, routeFor, targetBelow } from './route.ts'

/**
 * http-proxy checks paths, too, before it calls its handler. What it may find is an escape or a dot
 * segment; where there is none, that check, which makes three URLs for each request, is spared.
 */
export const sparingly =
  (handler: (request: FastifyRequest, reply: FastifyReply) => void) =>
  (request: FastifyRequest, reply: FastifyReply, done: () => void): void => {
    if (isPlainTarget(request.raw.url as string)) handler(request, reply)
    else done()
  }

interface ProxyOptions extends ExchangeOptions, AdmissionOptions {
  readonly rewriteRequest: RequestRewriter
  /** Sent to the API where the caller names none. */
  readonly userAgent: string
  /** Monotonic ms. */
  readonly now: () => number
  readonly stripJsonCharset: boolean
  /** Told of errors that only a defect of this program can cause. */
  readonly onDefect: (error: unknown, context: RequestContext) => void
}

export const proxyPlugin = async (app: FastifyInstance, options: ProxyOptions): Promise<void> => {
  const admit = createAdmission(options)
  app.addHook('onRequest', (request, reply, done) => {
    const failure = admit(request.raw, reply.raw, request.context)
    if (failure === undefined) return done()
    reply.hijack()
    sendFailure(request.raw, reply.raw, failure, request.context)
  })
  const handler = createHandler(options)
  await app.register(httpProxy, {
    // Every request goes to its route's own connections; reply-from's lead nowhere.
    upstream: NOWHERE,
    httpMethods: [...FORWARDED_METHODS],
    proxyPayloads: false,
    undici: new Client(NOWHERE),
    // The query is not http-proxy's business: it would parse it and print it anew.
    preRewrite: pathOf,
    preHandler: sparingly(handler),
    handler,
  })
}

/* FOLDED: Decides on every request before anything is spent on it. */

interface AdmissionOptions {
  /** What is served now; a new service key may change it. */
  readonly routes: () => readonly Route[]
  readonly lifecycle: { readonly phase: Phase }
  /** Requests at the same time at most. */
  readonly maxInFlight: number
  /** In bytes; Infinity: no limit. */
  readonly maxBody: number
  /** Says why a caller is refused, whatever it wants. */
  readonly guardCaller: (headers: IncomingHttpHeaders) => Failure | undefined
  /** `undefined`: everything is allowed. */
  readonly access: AccessRules | undefined
}

/**
 * @returns a function that lets a request in, notes its route and its path on the API in the context,
 *   and returns `undefined`; or says why it is not let in
 */
const createAdmission = (options: AdmissionOptions) => {
  const { routes, lifecycle, maxInFlight, maxBody, guardCaller, access } = options
  const overloaded: Failure = { code: 'overloaded', detail: `SKP_MAX_IN_FLIGHT=${maxInFlight}.` }
  let inFlight = 0
  const leave = (): void => {
    inFlight -= 1
  }
  /** What has nothing to do with where the request goes. */
  const refuse = ({ headers }: IncomingMessage): Failure | undefined => {
    const refused = guardCaller(headers)
    if (refused !== undefined) return refused
    if (lifecycle.phase === 'closing') return { code: 'stopping' }
    return inFlight >= maxInFlight ? overloaded : undefined
  }
  return (
    request: IncomingMessage,
    response: ServerResponse,
    context: RequestContext,
  ): Failure | undefined => {
    const refused = refuse(request)
    if (refused !== undefined) return refused
    const route = routeFor(routes(), request.url as string)
    const target = resolveTarget(targetBelow(route, request.url as string), route?.basePath ?? '')
    if (!target.ok) return { code: 'bad_request', detail: target.reason }
    if (route === undefined) return { code: 'not_found' }
    if (Number(request.headers['content-length']) > maxBody) return { code: 'body_too_large' }
    if (access !== undefined) {
      const denied = judgeHead(access, request, route, target.path, context)
      if (denied !== undefined) return denied
    }
    inFlight += 1
    response.on('close', leave)
    context.route = route
    context.path = target.path
    return undefined
  }
}

/** A token at hand is attached without a promise: most requests never leave this call. */
const createHandler = (options: ProxyOptions) => {
  const { access } = options
  const readBody = createBodyReader(options)
  const judge = ({ raw, context }: FastifyRequest, route: Route, body: RequestBody) =>
    access !== undefined && context.isGuardedBatch === true
      ? judgeBody(access, raw, route, body as Buffer)
      : undefined
  return (request: FastifyRequest, reply: FastifyReply): void => {
    const { raw, context } = request
    // Admission, which comes first, found it.
    const route = context.route as Route
    // After hijacking, Fastify's error handler is out of reach, and a caller would wait for ever.
    const onDefect = (error: unknown): void => {
      options.onDefect(error, context)
      sendFailure(raw, reply.raw, { code: 'internal' }, context)
    }
    const handle = (received: RequestBody): void => {
      try {
        const body = options.rewriteRequest(raw, received, context.path, route)
        // As it will be sent, so that nothing comes between judging and sending.
        const denied = judge(request, route, body)
        if (denied !== undefined) return sendFailure(raw, reply.raw, denied, context)
        const token = route.tokens.peek()
        if (token === undefined) {
          sendWithToken(options, route, request, reply, body).catch(onDefect)
          return
        }
        context.token = 'cached'
        send(options, route, request, reply, token, body)
      } catch (error) {
        onDefect(error)
      }
    }
    reply.hijack()
    readBody({ request: raw, response: reply.raw, context }, handle)
  }
}

/** A name that no resolver may know (RFC 6761 §6.4). */
const NOWHERE = 'https://unused.invalid'

const sendWithToken = async (
  options: ProxyOptions,
  route: Route,
  request: FastifyRequest,
  reply: FastifyReply,
  body: RequestBody,
): Promise<void> => {
  const { context } = request
  context.token = 'waited'
  context.timing?.waits()
  const outcome = await route.tokens.acquire(departureOf(reply.raw))
  context.timing?.goesOn(context)
  if (reply.raw.destroyed) return
  if (outcome.ok) send(options, route, request, reply, outcome.token, body)
  else sendFailure(request.raw, reply.raw, outcome.failure, context)
}

const send = (
  options: ProxyOptions,
  route: Route,
  { raw: request, context }: FastifyRequest,
  { raw: response }: FastifyReply,
  token: AccessToken,
  body: RequestBody,
): void => {
  context.sentAt = options.now()
  const headers = requestHeaders(request.rawHeaders, {
    correlationId: context.ids.correlationId,
    traceparent: context.trace.forward(route.baseUrl.origin, context.path),
    keepTracestate: context.trace.continued,
    userAgent: options.userAgent,
    stripJsonCharset: options.stripJsonCharset,
  })
  const callers = fitLength(request, headers.callers, body)
  const fitting = { ...headers, callers }
  forward(options, { request, response, context, route, token, headers: fitting, body })
}

declare module 'fastify' {
  interface FastifyRequest {
    context: RequestContext
  }
}
