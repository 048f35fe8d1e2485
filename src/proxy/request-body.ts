/**
 * How the body of a request travels: small ones of known length are held, so that they go out in
 * one write and can be sent again; everything else is streamed.
 */
import type { IncomingMessage } from 'node:http'
import { PassThrough, type Readable } from 'node:stream'

/** A body that can be sent again is a Buffer, or null where there is none. */
export type RequestBody = Buffer | Readable | null

const MAX_HELD_BYTES = 64 * 1024

const hasBody = ({ headers }: IncomingMessage): boolean =>
  headers['transfer-encoding'] !== undefined ||
  (headers['content-length'] !== undefined && headers['content-length'] !== '0')

/** Larger than SKP_MAX_BODY, which shows only on the way where no length was announced. */
export class BodyTooLargeError extends Error {
  readonly code = 'ERR_BODY_TOO_LARGE'
}

/**
 * A stream of its own: undici destroys a body it gives up on, and with it would go the caller's
 * connection, on which the answer is still to be sent.
 */
const stream = (request: IncomingMessage, maxBytes: number): Readable => {
  const body = request.pipe(new PassThrough())
  // It may fail while a token is waited for, when nobody else listens yet.
  body.on('error', () => {})
  let received = 0
  request.on('data', (chunk: Buffer) => {
    received += chunk.length
    if (received > maxBytes) body.destroy(new BodyTooLargeError())
  })
  return body
}

export interface BodyLimits {
  /** For bodies without a length; others are refused by it before they get here. Infinity: none. */
  readonly maxBody: number
  /** For a pause in a body that is held, in ms; the others are the business of forwarding. */
  readonly idleTimeout: number
}

/** All of it, unless it pauses for too long. */
const hold = (
  request: IncomingMessage,
  idleTimeout: number,
  send: (body: Buffer) => void,
  stalled: () => void,
): void => {
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => chunks.push(chunk))
  const onEnd = (): void => {
    request.setTimeout(0)
    send(Buffer.concat(chunks))
  }
  request.once('end', onEnd)
  request.setTimeout(idleTimeout)
  request.once('timeout', () => {
    request.off('end', onEnd)
    stalled()
  })
}

/**
 * Hands the body over as soon as it can be sent; never, if the caller leaves before that.
 *
 * @param stalled called instead if the caller sends nothing for too long
 */
export const withBody = (
  request: IncomingMessage,
  { maxBody, idleTimeout }: BodyLimits,
  send: (body: RequestBody) => void,
  stalled: () => void,
): void => {
  if (!hasBody(request)) {
    send(null)
    return
  }
  const length = Number(request.headers['content-length'])
  // Where there is no length it is NaN, which is not at most anything.
  if (length <= MAX_HELD_BYTES) hold(request, idleTimeout, send, stalled)
  else send(stream(request, maxBody))
}
