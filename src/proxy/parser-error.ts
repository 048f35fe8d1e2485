/** The answer to bytes that are no HTTP request, written by hand because there is no request. */
import { randomUUID } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { errorEntry, systemCode } from '../errors.ts'
import { errorDocument } from '../odata/media-type.ts'
import { breakOff, type CallerConnections } from './caller-connection.ts'
import { isLingering } from './failure-response.ts'

/** CONNECT, after which Node hands over the bare socket. */
export class TunnelError extends Error {
  readonly code = 'ERR_TUNNEL'
}

/**
 * Refuses once, and never where the caller would take the refusal for (a part of) another answer:
 * what was asked before is answered first.
 */
export const refuseBytes = (error: Error, socket: Socket, connections: CallerConnections): void => {
  // What else is sent is read to nowhere: a reset would take the answer from the caller.
  if (!connections.refuse(socket)) return
  const refuse = (): void => {
    if (socket.writable) endSlowly(socket, answerTo(error))
    else socket.destroy()
  }
  const pending = connections.unfinished(socket)
  if (pending === undefined) refuse()
  else refuseAfter(pending, refuse)
}

const endSlowly = (socket: Socket, answer: string): void => {
  socket.end(answer)
  const timer = setTimeout(() => socket.destroy(), UNREAD_MS)
  socket.once('close', () => clearTimeout(timer))
}

/** The whole answer, as it goes over the wire. */
const answerTo = (error: Error): string => {
  const [status, reason] = STATUS[systemCode(error)] ?? DEFAULT
  const body = errorDocument('bad_request', `${errorEntry('bad_request').message} ${reason}`, 'V2')
  const id = randomUUID()
  const fields = [
    'content-type: application/json',
    `content-length: ${Buffer.byteLength(body)}`,
    'x-error-origin: service-key-proxy',
    'x-error-code: bad_request',
    `x-request-id: ${id}`,
    `x-correlation-id: ${id}`,
    'connection: close',
  ]
  return `HTTP/1.1 ${status}\r\n${fields.join('\r\n')}\r\n\r\n${body}`
}

/** @param pending the last answer on the connection, which is not finished */
const refuseAfter = (pending: ServerResponse, refuse: () => void): void => {
  if (pending.req.complete || pending.writableEnded) pending.once('close', refuse)
  else if (isLingering(pending)) pending.end()
  // The bytes belong to the body of this very request, and its answer is half sent.
  else if (pending.headersSent) breakOff(pending)
  // Behind others on a connection with pipelined requests.
  else if (pending.socket === null) pending.once('socket', refuse)
  else refuse()
}

/** A caller that goes on sending is cut off after this time. */
const UNREAD_MS = 2_000

const STATUS: Readonly<Record<string, readonly [status: string, reason: string]>> = {
  HPE_HEADER_OVERFLOW: [
    '431 Request Header Fields Too Large',
    'The header fields are larger than SKP_MAX_HEADER_SIZE.',
  ],
  ERR_TUNNEL: ['400 Bad Request', 'The proxy opens no tunnels.'],
  ERR_HTTP_REQUEST_TIMEOUT: ['408 Request Timeout', 'The head of the request took too long.'],
}

const DEFAULT = ['400 Bad Request', 'It is no HTTP request.'] as const
