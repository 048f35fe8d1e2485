/** The request's journey: admission → token → forward. */
import httpProxy from '@fastify/http-proxy'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { Client } from 'undici'
import { isPlainTarget, pathOf } from '../policy/request-target.ts'
import type { AccessToken } from '../token/access-token.ts'
import { createAdmission, type AdmissionOptions } from './admission.ts'
import { departureOf } from './caller-departure.ts'
import { sendFailure } from './failure-answer.ts'
import type { ForwardOptions } from './forward-request.ts'
import { forward } from './forward.ts'
import { judgeBody } from './guarded-access.ts'
import { createBodyReader } from './guarded-body.ts'
import type { Journal } from './journal.ts'
import { FORWARDED_METHODS } from './methods.ts'
import type { RequestBody } from './request-body.ts'
import { requestHeaders } from './request-headers.ts'
import { fitLength, type RequestRewriter } from './rewritten-request.ts'
import type { Mount } from './mount.ts'

declare module 'fastify' {
  interface FastifyRequest {
    journal: Journal
  }
}

export interface ProxyOptions extends ForwardOptions, AdmissionOptions {
  readonly rewriteRequest: RequestRewriter
  /** Sent to the API where the caller names none. */
  readonly userAgent: string
  /** Monotonic ms. */
  readonly now: () => number
  readonly stripJsonCharset: boolean
  /** Told of errors that only a defect of this program can cause. */
  readonly onDefect: (error: unknown, journal: Journal) => void
}

/** A name that no resolver may know (RFC 6761 §6.4). */
const NOWHERE = 'https://unused.invalid'

const send = (
  options: ProxyOptions,
  mount: Mount,
  { raw: request, journal }: FastifyRequest,
  { raw: response }: FastifyReply,
  token: AccessToken,
  body: RequestBody,
): void => {
  journal.sentAt = options.now()
  const headers = requestHeaders(request.rawHeaders, {
    correlationId: journal.ids.correlationId,
    traceparent: journal.trace.forward(mount.baseUrl.origin, journal.path),
    keepTracestate: journal.trace.continued,
    userAgent: options.userAgent,
    stripJsonCharset: options.stripJsonCharset,
  })
  const callers = fitLength(request, headers.callers, body)
  const fitting = { ...headers, callers }
  forward(options, { request, response, journal, mount, token, headers: fitting, body })
}

const sendWithToken = async (
  options: ProxyOptions,
  mount: Mount,
  request: FastifyRequest,
  reply: FastifyReply,
  body: RequestBody,
): Promise<void> => {
  const { journal } = request
  journal.token = 'waited'
  journal.timing?.waits()
  const outcome = await mount.tokens.acquire(departureOf(reply.raw))
  journal.timing?.goesOn(journal)
  if (reply.raw.destroyed) return
  if (outcome.ok) send(options, mount, request, reply, outcome.token, body)
  else sendFailure(request.raw, reply.raw, outcome.failure, journal)
}

/** A token at hand is attached without a promise: most requests never leave this call. */
const createHandler = (options: ProxyOptions) => {
  const { access } = options
  const readBody = createBodyReader(options)
  const judge = ({ raw, journal }: FastifyRequest, mount: Mount, body: RequestBody) =>
    access !== undefined && journal.isGuardedBatch === true
      ? judgeBody(access, raw, mount, body as Buffer)
      : undefined
  return (request: FastifyRequest, reply: FastifyReply): void => {
    const { raw, journal } = request
    // Admission, which comes first, found it.
    const mount = journal.mount as Mount
    // After hijacking, Fastify's error handler is out of reach, and a caller would wait for ever.
    const onDefect = (error: unknown): void => {
      options.onDefect(error, journal)
      sendFailure(raw, reply.raw, { code: 'internal' }, journal)
    }
    const handle = (received: RequestBody): void => {
      try {
        const body = options.rewriteRequest(raw, received, journal.path, mount)
        // As it will be sent, so that nothing comes between judging and sending.
        const denied = judge(request, mount, body)
        if (denied !== undefined) return sendFailure(raw, reply.raw, denied, journal)
        const token = mount.tokens.peek()
        if (token === undefined) {
          sendWithToken(options, mount, request, reply, body).catch(onDefect)
          return
        }
        journal.token = 'cached'
        send(options, mount, request, reply, token, body)
      } catch (error) {
        onDefect(error)
      }
    }
    reply.hijack()
    readBody({ request: raw, response: reply.raw, journal }, handle)
  }
}

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

export const proxyPlugin = async (app: FastifyInstance, options: ProxyOptions): Promise<void> => {
  const admit = createAdmission(options)
  app.addHook('onRequest', (request, reply, done) => {
    const failure = admit(request.raw, reply.raw, request.journal)
    if (failure === undefined) return done()
    reply.hijack()
    sendFailure(request.raw, reply.raw, failure, request.journal)
  })
  const handler = createHandler(options)
  await app.register(httpProxy, {
    // Every request goes to its mount's own connections; reply-from's lead nowhere.
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
