/**
 * How the body of a request travels: small ones of known length are held, so that they go out in
 * one write and can be sent again; everything else is streamed.
 */
import type { IncomingMessage } from 'node:http'
import { pipeline, Readable, Transform, type TransformCallback } from 'node:stream'
import type { Failure } from '../errors.ts'
import { type BodyRewriter, createBodyRewriter } from '../odata/batch-rewriter.ts'
import { rewritableType, type RewritableType } from '../odata/media-type.ts'
import { callerTimeout } from './caller-connection.ts'
import type { LinkDirectory, RewriteMode, Translation } from './links.ts'
import { isBatch, isRawValue } from './response-plan.ts'
import { streamed } from './streamed-memory.ts'
import type { Route } from './route.ts'

/** A body that can be sent again is a Buffer, or null where there is none. */
export type RequestBody = Buffer | Readable | null

/** Whether it is still on its way while the request is sent. */
export const isStreamed = (body: RequestBody): boolean => body !== null && !Buffer.isBuffer(body)

/** A held body of at most this size can be sent again. */
export const MAX_HELD_BYTES = 64 * 1024

/** Larger than SKP_MAX_BODY, which shows only on the way where no length was announced. */
export class BodyTooLargeError extends Error {
  readonly code = 'ERR_BODY_TOO_LARGE'
}

/** Of callers whose body is waited for. */
interface Patience {
  /** For a pause, in ms. */
  readonly idleTimeout: number
  /** @returns ends the watch on the caller's pace */
  readonly watchPace: (onSlow: (failure: Failure) => void) => () => void
}

interface WholeBody extends Patience {
  readonly send: (body: Buffer) => void
  /** Called instead if the caller sends nothing for too long, or too little. */
  readonly stalled: (failure: Failure) => void
  /** Told the length so far. */
  readonly onProgress?: (received: number) => void
}

/**
 * Hands the whole body over, whatever its framing; never, if the caller leaves before.
 *
 * @returns gives up, so that nothing more is called
 */
export const withWholeBody = (
  request: IncomingMessage,
  { idleTimeout, watchPace, send, stalled, onProgress }: WholeBody,
): (() => void) => {
  let chunks: Buffer[] = []
  let received = 0
  const onData = (chunk: Buffer): void => {
    chunks.push(chunk)
    received += chunk.length
    onProgress?.(received)
  }
  const stop = (): void => {
    unwatch()
    request.off('data', onData).off('end', onEnd).off('timeout', onTimeout).off('close', unwatch)
    request.setTimeout(0)
    chunks = []
  }
  const onEnd = (): void => {
    const body = Buffer.concat(chunks)
    stop()
    send(body)
  }
  const giveUp = (failure: Failure): void => {
    stop()
    stalled(failure)
  }
  const onTimeout = (): void => giveUp(callerTimeout(idleTimeout))
  if (!hasBody(request)) {
    send(Buffer.alloc(0))
    return () => {}
  }
  const unwatch = watchPace(giveUp)
  request.on('data', onData).once('end', onEnd).once('timeout', onTimeout).once('close', unwatch)
  request.setTimeout(idleTimeout)
  return stop
}

/** With the patience for bodies that are held; the others are the business of forwarding. */
interface BodyLimits extends Patience {
  /** For bodies without a length; others are refused by it before they get here. Infinity: none. */
  readonly maxBody: number
}

/**
 * Hands the body over as soon as it can be sent; never, if the caller leaves before that.
 *
 * @param stalled called instead if the caller sends nothing for too long, or too little
 */
export const withBody = (
  request: IncomingMessage,
  { maxBody, ...patience }: BodyLimits,
  send: (body: RequestBody) => void,
  stalled: (failure: Failure) => void,
): void => {
  if (!hasBody(request)) {
    send(null)
    return
  }
  const length = Number(request.headers['content-length'])
  // Where there is no length it is NaN, which is not at most anything.
  if (length <= MAX_HELD_BYTES) withWholeBody(request, { ...patience, send, stalled })
  else send(new StreamedBody(request, maxBody))
}

/** Links that callers got from us become those of the API again; `path` is that on the API. */
export type RequestRewriter = (
  request: IncomingMessage,
  body: RequestBody,
  path: string,
  route: Route,
) => RequestBody

/**
 * A body that is held is searched; of those that stream only `$batch`, because the others would lose
 * their length, which not every API can do without.
 */
export const createRequestRewriter =
  (mode: RewriteMode, links: LinkDirectory): RequestRewriter =>
  (request, body, path, route) => {
    if (body === null || mode !== 'on' || isRawValue(path)) return body
    if (!Buffer.isBuffer(body) && !isBatch(path)) return body
    const { 'content-type': contentType = '', 'content-encoding': coding } = request.headers
    const type = coding === undefined ? rewritableType(contentType) : undefined
    return type === undefined ? body : rewrite(type, body, links.linksFor(request, route).toApi)
  }

/** @returns the fields with the length of the body as it is now; without, if nobody knows it */
export const fitLength = (
  { headers: { 'content-length': announced } }: IncomingMessage,
  headers: readonly string[],
  body: RequestBody,
): readonly string[] => {
  if (body === null) return headers
  const length = Buffer.isBuffer(body) ? String(body.length) : undefined
  const isChanged = length === undefined ? body instanceof LinkTransform : length !== announced
  const at = headers.findIndex((name, i) => i % 2 === 0 && /^content-length$/i.test(name))
  if (!isChanged || at === -1) return headers
  return length === undefined ? headers.toSpliced(at, 2) : headers.with(at + 1, length)
}

const hasBody = ({ headers }: IncomingMessage): boolean =>
  headers['transfer-encoding'] !== undefined ||
  (headers['content-length'] !== undefined && headers['content-length'] !== '0')

/**
 * A stream of its own: undici destroys a body it gives up on, and with it would go the caller's
 * connection, on which the answer is still to be sent. Nothing but a relay, because a body that is
 * piped through a transform passes two more buffers.
 */
class StreamedBody extends Readable {
  readonly #request: IncomingMessage
  readonly #onData: (chunk: Buffer) => void
  readonly #onEnd = (): void => void this.push(null)

  constructor(request: IncomingMessage, maxBytes: number) {
    super({ highWaterMark: BUFFER_BYTES })
    this.#request = request
    let received = 0
    this.#onData = (chunk) => {
      received += chunk.length
      streamed(chunk.length)
      if (received > maxBytes) this.destroy(new BodyTooLargeError())
      else if (!this.push(chunk) && !this.destroyed) request.pause()
    }
    // It may fail while a token is waited for, when nobody else listens yet.
    this.on('error', () => {})
    request.on('data', this.#onData).on('end', this.#onEnd)
  }

  override _read(): void {
    this.#request.resume()
  }

  /** The rest of the request is nobody's business any more, and flows to nowhere. */
  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#request.off('data', this.#onData).off('end', this.#onEnd)
    done(error)
  }
}

/** Of a body on its way; more than that, and the caller waits. */
const BUFFER_BYTES = 64 * 1024

const rewrite = (
  type: RewritableType,
  body: Buffer | Readable,
  links: Translation,
): RequestBody => {
  const rewriter = createBodyRewriter(type, links)
  return Buffer.isBuffer(body)
    ? rewriter.end(body)
    : pipeline(body, new LinkTransform(rewriter), () => {})
}

class LinkTransform extends Transform {
  readonly #rewriter: BodyRewriter

  constructor(rewriter: BodyRewriter) {
    super()
    this.#rewriter = rewriter
  }

  override _transform(chunk: Buffer, _: BufferEncoding, done: TransformCallback): void {
    done(null, this.#rewriter.push(chunk))
  }

  override _flush(done: TransformCallback): void {
    done(null, this.#rewriter.end())
  }
}
