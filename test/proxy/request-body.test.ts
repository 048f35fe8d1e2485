import t, { type Test } from 'tap'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import http, { type IncomingMessage } from 'node:http'
import type { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { systemCode } from '../../src/errors.ts'
import {
  BodyTooLargeError,
  isStreamed,
  withBody,
  type RequestBody,
} from '../../src/proxy/request-body.ts'
import { call, exchange, type Call } from '../fixtures/http-client.ts'
import { startStreamingServer } from '../fixtures/recording-server.ts'

const LIMIT = 64 * 1024
const UNLIMITED = { maxBody: Infinity, idleTimeout: 60_000, watchPace: () => () => {} }
const never = (): void => {
  throw new Error('nobody stalled')
}

/** A server that hands each body over and notes what it got, whole. */
const start = async (t: Test) => {
  const received: { request: IncomingMessage; body: RequestBody; bytes: Buffer }[] = []
  const server = await startStreamingServer(t, (request, response) => {
    withBody(
      request,
      UNLIMITED,
      (body) => {
        const read = async (): Promise<void> => {
          const streamed = body !== null && !Buffer.isBuffer(body)
          const bytes = streamed ? await buffer(body) : (body ?? Buffer.alloc(0))
          received.push({ request, body, bytes })
          response.end()
        }
        void read()
      },
      never,
    )
  })
  return { port: server.port, received }
}

const kindOf = (body: RequestBody | undefined): string => {
  if (body === null) return 'none'
  return Buffer.isBuffer(body) ? 'held' : typeof body
}

const BYTES = randomBytes(LIMIT + 1)
const sized = (length: number): Call => ({
  method: 'POST',
  body: BYTES.subarray(0, length),
  headers: { 'content-length': length },
})
const chunked = (length: number): Call => ({
  method: 'POST',
  body: BYTES.subarray(0, length),
  headers: { 'transfer-encoding': 'chunked' },
})

const CASES: Record<string, [request: Call, kind: string, length: number]> = {
  'a request without a body has none': [{}, 'none', 0],
  'a POST of length 0 has none': [sized(0), 'none', 0],
  'a body of one byte is held': [sized(1), 'held', 1],
  'a body of 64 KB is held': [sized(LIMIT), 'held', LIMIT],
  'a body of one byte more is streamed': [sized(LIMIT + 1), 'object', LIMIT + 1],
  'a body of unknown length is streamed': [chunked(5), 'object', 5],
  'an empty body of unknown length is streamed': [chunked(0), 'object', 0],
  'the body of a GET is held as well': [{ ...sized(5), method: 'GET' }, 'held', 5],
}

for (const [title, [request, kind, length]] of Object.entries(CASES)) {
  t.test(title, async (t) => {
    const { port, received } = await start(t)
    await call(port, request)
    t.equal(received.length, 1)
    t.equal(kindOf(received[0]?.body), kind)
    t.ok(received[0]?.bytes.equals(BYTES.subarray(0, length)), 'byte for byte')
  })
}

t.test('a held body that comes in pieces is handed over once, when it is whole', async (t) => {
  const { port, received } = await start(t)
  const request = http.request({
    port,
    host: '127.0.0.1',
    method: 'PUT',
    agent: false,
    headers: { 'content-length': 6 },
  })
  const answered = once(request, 'response')
  for (const piece of ['ab', 'cd']) {
    await new Promise((resolve) => {
      request.write(piece, resolve)
    })
  }
  t.equal(received.length, 0)
  request.end('ef')
  await answered
  t.same(
    received.map(({ bytes }) => bytes.toString()),
    ['abcdef'],
  )
})

t.test('a body that takes the form of a request line is a body', async (t) => {
  const { port, received } = await start(t)
  const body = 'GET / HTTP/1.1\r\n\r\n'
  await exchange(
    port,
    `POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
  )
  t.same(
    received.map(({ bytes }) => bytes.toString()),
    [body],
  )
})

/** Resolves however it ends; `once` would take the error for its own. */
const closed = (stream: IncomingMessage | http.ClientRequest) =>
  new Promise((resolve) => {
    stream.on('error', () => {}).on('close', resolve)
  })

t.test('nothing is handed over if the caller leaves before its body is whole', async (t) => {
  let handedOver = 0
  let left: Promise<unknown> | undefined
  const { port } = await startStreamingServer(t, (request) => {
    left = closed(request)
    withBody(request, UNLIMITED, () => (handedOver += 1), never)
    caller.destroy()
  })
  const headers = { 'content-length': 10 }
  const caller = http.request({ port, host: '127.0.0.1', method: 'POST', agent: false, headers })
  caller.write('part')
  await closed(caller)
  await left
  t.equal(handedOver, 0)
})

const LIMITED: Record<string, [length: number, limit: number, outcome: string]> = {
  'of unknown length may be as long as the limit': [1_024, 1_024, '1024 bytes'],
  'of unknown length ends with an error one byte later': [1_025, 1_024, 'ERR_BODY_TOO_LARGE'],
  'that is much too long ends with an error too': [LIMIT, 1_024, 'ERR_BODY_TOO_LARGE'],
}

for (const [title, [length, limit, outcome]] of Object.entries(LIMITED)) {
  t.test(`a body ${title}`, async (t) => {
    const server = await startStreamingServer(t, (request, response) => {
      withBody(
        request,
        { ...UNLIMITED, maxBody: limit },
        (body) => {
          const read = async (): Promise<void> => {
            const bytes = await buffer(body as Readable).catch((error: unknown) => error)
            request.resume()
            t.equal(bytes instanceof BodyTooLargeError, outcome.startsWith('ERR'))
            response.end(Buffer.isBuffer(bytes) ? `${bytes.length} bytes` : systemCode(bytes))
          }
          void read()
        },
        never,
      )
    })
    t.equal((await call(server.port, chunked(length))).body.toString(), outcome)
  })
}

t.test('the connection of the caller outlives a streamed body that is given up', async (t) => {
  const server = await startStreamingServer(t, (request, response) => {
    withBody(
      request,
      UNLIMITED,
      (body) => {
        t.ok(isStreamed(body))
        const stream = body as Readable
        stream.once('close', () => {
          request.resume()
          response.end('still there')
        })
        stream.destroy()
      },
      never,
    )
  })
  const answer = await call(server.port, chunked(LIMIT))
  t.equal(answer.body.toString(), 'still there')
})

t.test(
  'a held body that pauses for too long is given up, even if its rest comes then',
  async (t) => {
    let handedOver = 0
    let rest: Promise<unknown> | undefined
    const { port } = await startStreamingServer(t, (request, response) => {
      const stalled = (): void => {
        rest = once(request, 'close').then(() => response.end('stalled'))
        request.resume()
        caller.write('rest')
      }
      withBody(request, { ...UNLIMITED, idleTimeout: 20 }, () => (handedOver += 1), stalled)
    })
    const headers = { 'content-length': 8 }
    const caller = http.request({ port, host: '127.0.0.1', method: 'POST', agent: false, headers })
    caller.write('part')
    const [response] = (await once(caller, 'response')) as [IncomingMessage]
    t.equal((await buffer(response)).toString(), 'stalled')
    await rest
    t.equal(handedOver, 0)
  },
)

t.test('what comes after a whole body may take longer than its pauses', async (t) => {
  const { port } = await startStreamingServer(t, (request, response) => {
    const answerLate = (): void => void setTimeout(() => response.end('late'), 80)
    withBody(request, { ...UNLIMITED, idleTimeout: 20 }, answerLate, never)
  })
  t.equal((await call(port, sized(5))).body.toString(), 'late')
})
