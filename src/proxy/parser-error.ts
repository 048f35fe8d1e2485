/** The answer to bytes that are no HTTP request, written by hand because there is no request. */
import { randomUUID } from 'node:crypto'
import type { Socket } from 'node:net'
import { errorEntry, systemCode } from '../errors.ts'
import { errorDocument } from '../odata/error-document.ts'
import type { CallerConnections } from './caller-connections.ts'

const STATUS: Readonly<Record<string, readonly [status: string, reason: string]>> = {
  HPE_HEADER_OVERFLOW: [
    '431 Request Header Fields Too Large',
    'The header fields are larger than SKP_MAX_HEADER_SIZE.',
  ],
  ERR_HTTP_REQUEST_TIMEOUT: ['408 Request Timeout', 'The head of the request took too long.'],
}

const DEFAULT = ['400 Bad Request', 'It is no HTTP request.'] as const

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

/** Never writes into an answer that is under way: the caller would take it for a part of it. */
export const refuseBytes = (error: Error, socket: Socket, connections: CallerConnections): void => {
  if (socket.writable && !connections.isAnswering(socket)) socket.end(answerTo(error))
  else socket.destroy()
}
