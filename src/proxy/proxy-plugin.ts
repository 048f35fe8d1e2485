/**
 * A request's way: admission, body, token, exchange. Everything is decided before anything is spent on
 * it, and a token that is at hand is attached without a promise: most requests never wait here.
 */
import httpProxy from '@fastify/http-proxy'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { randomBytes } from 'node:crypto'
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { Client } from 'undici'
import type { Failure } from '../errors.ts'
import type { AccessRules } from '../policy/access-policy.ts'
import { isPlainTarget, pathOf, resolveTarget } from '../policy/request-target.ts'
import type { AccessToken } from '../token/access-token.ts'
import { departureOf } from './caller-connection.ts'
import { startExchange, type ExchangeOptions, type RoutedCall } from './exchange.ts'
import { FORWARDED_METHODS, sendFailure } from './failure-response.ts'
import { createBodyReader, judgeBody, judgeHead } from './guarded-request.ts'
import { HOPS_FIELD, hopsWith, requestHeaders } from './headers.ts'
import { fitLength, type RequestBody, type RequestRewriter } from './request-body.ts'
import type { Call, RequestContext } from './request-context.ts'
import { routeFor, targetBelow, type Route } from './route.ts'

interface ProxyOptions extends ExchangeOptions {
  /** What is served now; a new service key may change it. */
  readonly routes: () => readonly Route[]
  /** Requests at the same time at most. */
  readonly maxInFlight: number
  /** In bytes; Infinity: no limit. */
  readonly maxBody: number
  /** Says why a caller is refused, whatever it wants. */
  readonly guardCaller: (headers: IncomingHttpHeaders) => Failure | undefined
  /** `undefined`: everything is allowed. */
  readonly access: AccessRules | undefined
  readonly rewriteRequest: RequestRewriter
  /** Sent to the API where the caller names none. */
  readonly userAgent: string
  /** Monotonic ms. */
  readonly now: () => number
  readonly stripJsonCharset: boolean
  /** Told of errors that only a defect of this program can cause. */
  readonly onDefect: (error: unknown, context: RequestContext) => void
}

export const proxyPlugin = async (app: FastifyInstance, given: ProxyOptions): Promise<void> => {
  const options = { ...given, word: randomBytes(12).toString('base64url') }
  const admit = createAdmission(options)
  app.addHook('onRequest', (request, reply, done) => {
    const call = { request: request.raw, response: reply.raw, context: request.context }
    const failure = admit(call)
    if (failure === undefined) return done()
    reply.hijack()
    sendFailure(call, failure)
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

interface Options extends ProxyOptions {
  /** Made up for this process: a request that has it comes from here (decision 0030). */
  readonly word: string
}

/** A name that no resolver may know (RFC 6761 §6.4). */
const NOWHERE = 'https://unused.invalid'

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

/**
 * @returns a function that admits a request, notes its route and its path on the API in its context,
 *   and returns `undefined`; or says why it is not admitted
 */
const createAdmission = (options: Options) => {
  const { routes, lifecycle, maxInFlight, maxBody, guardCaller, access, word } = options
  const overloaded: Failure = { code: 'overloaded', detail: `SKP_MAX_IN_FLIGHT=${maxInFlight}.` }
  let inFlight = 0
  const leave = (): void => {
    inFlight -= 1
  }
  /** What has nothing to do with where the request goes. */
  const refuse = ({ headers }: IncomingMessage): Failure | undefined => {
    // First of all: what comes back does not have what a guard asks of callers.
    if (headers[HOPS_FIELD]?.includes(word) === true) return { code: 'upstream_loop' }
    const refused = guardCaller(headers)
    if (refused !== undefined) return refused
    if (lifecycle.phase === 'closing') return { code: 'stopping' }
    return inFlight >= maxInFlight ? overloaded : undefined
  }
  return ({ request, response, context }: Call): Failure | undefined => {
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

const createHandler = (options: Options) => {
  const readBody = createBodyReader(options)
  return ({ raw: request, context }: FastifyRequest, reply: FastifyReply): void => {
    // Admission, which comes first, found the route.
    const call = { request, response: reply.raw, context, route: context.route as Route }
    // After hijacking, Fastify's error handler is out of reach, and a caller would wait for ever.
    const onDefect = (error: unknown): void => {
      options.onDefect(error, context)
      sendFailure(call, { code: 'internal' })
    }
    reply.hijack()
    readBody(call, (received) => {
      try {
        proceed(options, call, received)?.catch(onDefect)
      } catch (error) {
        onDefect(error)
      }
    })
  }
}

/** @returns a promise only where a token has to be waited for */
const proceed = (
  options: Options,
  call: RoutedCall,
  received: RequestBody,
): Promise<void> | undefined => {
  const { request, context, route } = call
  const { access } = options
  const body = options.rewriteRequest(request, received, context.path, route)
  if (access !== undefined && context.isGuardedBatch === true) {
    // As it will be sent, so that nothing comes between judging and sending.
    const denied = judgeBody(access, request, route, body as Buffer)
    if (denied !== undefined) {
      sendFailure(call, denied)
      return undefined
    }
  }
  const token = route.tokens.peek()
  if (token === undefined) return sendWithToken(options, call, body)
  context.token = 'cached'
  send(options, call, token, body)
  return undefined
}

const sendWithToken = async (
  options: Options,
  call: RoutedCall,
  body: RequestBody,
): Promise<void> => {
  const { response, context, route } = call
  context.token = 'waited'
  context.timing?.waits()
  const outcome = await route.tokens.acquire(departureOf(response))
  context.timing?.goesOn(context)
  if (response.destroyed) return
  if (outcome.ok) send(options, call, outcome.token, body)
  else sendFailure(call, outcome.failure)
}

const send = (options: Options, call: RoutedCall, token: AccessToken, body: RequestBody): void => {
  const { request, context, route } = call
  context.sentAt = options.now()
  const headers = requestHeaders(request.rawHeaders, {
    hops: hopsWith(request.headers[HOPS_FIELD], options.word),
    correlationId: context.ids.correlationId,
    traceparent: context.trace.forward(route.baseUrl.origin, context.path),
    keepTracestate: context.trace.continued,
    userAgent: options.userAgent,
    stripJsonCharset: options.stripJsonCharset,
  })
  const callers = fitLength(request, headers.callers, body)
  startExchange(options, { ...call, token, headers: { ...headers, callers }, body })
}

declare module 'fastify' {
  interface FastifyRequest {
    context: RequestContext
  }
}
