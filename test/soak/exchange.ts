/** One request through the proxy, its answer read whole, slowly, or not to the end. */
import http, { type IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { PatternCheck, patternPieces } from './pattern.ts'

export interface Exchange {
  readonly port: number
  readonly agent: http.Agent
  readonly id: string
  readonly method: string
  readonly path: string
  readonly type?: string
  readonly body?: string
  /** A body of so many bytes is streamed, in chunks of unknown number. */
  readonly upload?: number
  /** ms between two pieces of the answer. */
  readonly pause?: number
  /** The caller leaves after so many ms. */
  readonly leaveAfter?: number
}

export interface Answer {
  readonly status: number | undefined
  readonly code: string | undefined
  readonly id: string | undefined
  /** The beginning. */
  readonly text: string
  readonly check: PatternCheck
}

/** Longer than the proxy lets anybody wait: then the answer counts as lost. */
const RESPONSE_LIMIT_MS = 30_000
const MAX_TEXT = 4_096
/** A reader that is slow reads so much, and then pauses. */
const SLOW_PIECE = 128 * 1024

const field = ({ headers }: IncomingMessage, name: string): string | undefined => {
  const value = headers[name]
  return typeof value === 'string' ? value : undefined
}

const read = async (answer: IncomingMessage, pause = 0): Promise<Answer> => {
  const check = new PatternCheck()
  let text = ''
  let sincePause = 0
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    check.take(chunk)
    if (text.length < MAX_TEXT) text += chunk.toString('latin1', 0, MAX_TEXT)
    sincePause += chunk.length
    if (pause > 0 && sincePause > SLOW_PIECE) {
      sincePause = 0
      await sleep(pause)
    }
  }
  const code = field(answer, 'x-error-code')
  return { status: answer.statusCode, code, id: field(answer, 'x-soak-id'), text, check }
}

const signalFor = ({ leaveAfter = RESPONSE_LIMIT_MS }: Exchange): AbortSignal =>
  AbortSignal.timeout(Math.ceil(leaveAfter))

/** @throws what the connection throws, and when the caller leaves */
export const exchange = (options: Exchange): Promise<Answer> => {
  const { port, agent, id, method, path, type = 'application/json', body, upload, pause } = options
  const hasBody = body !== undefined || upload !== undefined
  return new Promise((resolve, reject) => {
    const request = http.request({
      host: '127.0.0.1',
      port,
      agent,
      method,
      path,
      signal: signalFor(options),
      headers: {
        'x-request-id': id,
        ...(hasBody ? { 'content-type': type } : {}),
        ...(body === undefined ? {} : { 'content-length': Buffer.byteLength(body) }),
      },
    })
    // Kept after the answer has begun: a departure ends in an error each time.
    request.on('error', reject)
    request.once('response', (answer) => void read(answer, pause).then(resolve, reject))
    if (upload === undefined) request.end(body)
    else
      Readable.from(patternPieces(upload))
        .on('error', () => {})
        .pipe(request)
  })
}
