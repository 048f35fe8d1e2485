/** The answers that the proxy makes itself, in the error form of OData. */
import {
  type IncomingMessage,
  METHODS,
  type OutgoingHttpHeaders,
  type ServerResponse,
} from 'node:http'
import { errorEntry, type Failure } from '../errors.ts'
import { errorDocument, requestedVersion } from '../odata/media-type.ts'
import type { Call, RequestContext } from './request-context.ts'

/**
 * Reads the rest of a body to nowhere: closing the connection instead would reset it, and the
 * caller might never see the answer.
 */
export const discardBody = (request: IncomingMessage): void => {
  if (isWhole(request)) return
  // Whoever has read it would stop it again.
  request.removeAllListeners('data')
  request.resume()
  const timer = setTimeout(() => request.socket.destroy(), UNREAD_BODY_MS)
  request.once('close', () => clearTimeout(timer))
}

/** Whether all of an answer has been handed over, although it has not been ended. */
export const isLingering = (response: ServerResponse): boolean => lingering.has(response)

/** Sends the failure as the whole answer; the head must not have been sent. */
export const sendFailure = ({ request, response, context }: Call, failure: Failure): void => {
  const { message } = errorEntry(failure.code)
  const text = failure.detail === undefined ? message : `${message} ${failure.detail}`
  const body = errorDocument(failure.code, text, requestedVersion(request.headers))
  context.failure = failure.code
  if (failure.denied !== undefined) context.denied = failure.denied
  context.responseBytes = Buffer.byteLength(body)
  // By Fastify once it is closing, or where nothing behind the request may be looked at.
  const isDoubtful = response.getHeader('connection') === 'close'
  const isAwaited = !isWhole(request) && !response.shouldKeepAlive
  response.writeHead(statusOf(failure), headersOf(failure, context, context.responseBytes))
  if (isDoubtful || isAwaited) endLater(request, response, body, isDoubtful)
  else response.end(body)
  discardBody(request)
}

/** TRACE would echo the token back to the caller; CONNECT asks for a tunnel, not for a resource. */
const NEVER_FORWARDED: ReadonlySet<string> = new Set(['TRACE', 'CONNECT'])

/** Every other method that Node can parse, MERGE of OData V2 among them. */
export const FORWARDED_METHODS: readonly string[] = METHODS.filter(
  (method) => !NEVER_FORWARDED.has(method),
)

/** Whether nothing more is to come of it; Node may spare the stream of one without a body. */
const isWhole = (request: IncomingMessage): boolean => request.complete || request.readableEnded

/** A caller that goes on sending a body nobody reads is cut off after this time. */
const UNREAD_BODY_MS = 2_000

/** Whole answers on connections that are read a little longer. */
const lingering = new WeakSet<ServerResponse>()

const statusOf = ({ code, status }: Failure): number => status ?? errorEntry(code).status

const headersOf = (
  failure: Failure,
  context: RequestContext,
  bodyLength: number,
): OutgoingHttpHeaders => {
  const { ids, timing } = context
  const { code, retryAfter, allow = FORWARDED_METHODS } = failure
  const entry = errorEntry(code)
  const headers: OutgoingHttpHeaders = {
    'content-type': 'application/json',
    'content-length': bodyLength,
    'x-error-origin': entry.origin,
    'x-error-code': code,
    'x-request-id': ids.requestId,
    'x-correlation-id': ids.correlationId,
  }
  const seconds = retryAfter ?? entry.retryAfter
  if (seconds !== undefined) headers['retry-after'] = String(seconds)
  if (statusOf(failure) === 405) headers['allow'] = allow.join(', ')
  if (timing !== undefined) headers['server-timing'] = timing.describe(context)
  if (code === 'stopping') headers['connection'] = 'close'
  return headers
}

/**
 * For an answer that closes the connection: Node would close it at once, and what the caller still
 * sends would take the answer from it (RFC 9112 §9.6). A caller that has it closes its side.
 *
 * @param isDoubtful whether the end of the request cannot be believed
 */
const endLater = (
  request: IncomingMessage,
  response: ServerResponse,
  body: string,
  isDoubtful: boolean,
): void => {
  lingering.add(response)
  response.write(body)
  // An answer to HEAD would wait for its end.
  response.flushHeaders()
  const end = (): void => void response.end()
  const timer = setTimeout(end, UNREAD_BODY_MS)
  request.socket.once('end', end)
  if (!isDoubtful) request.once('end', end)
  response.once('close', () => clearTimeout(timer))
}
