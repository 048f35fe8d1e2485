import t, { type Test } from 'tap'
import { errors } from 'undici'
import { validateHeaderValue } from 'node:http'
import {
  describeError,
  isConnectionLoss,
  upstreamFailure,
} from '../../src/proxy/upstream-errors.ts'
import { call } from '../fixtures/http-client.ts'
import { startProxy } from '../fixtures/proxy.ts'
import { startRawServer } from '../fixtures/recording-server.ts'

const LIMITS = {
  queueTimeout: 5_000,
  connectTimeout: 5_000,
  responseTimeout: 60_000,
  idleTimeout: 120_000,
}
const CANARY = 'intas-api.internal.example'
const failed = (code: string) => Object.assign(new Error(`${code} ${CANARY}`), { code })

const CODES = {
  upstream_dns: ['ENOTFOUND', 'EAI_AGAIN', 'EAI_FAIL', 'EAI_NODATA', 'EAI_NONAME'],
  upstream_connect: [
    'ECONNREFUSED',
    'EHOSTUNREACH',
    'EHOSTDOWN',
    'ENETUNREACH',
    'ENETDOWN',
    'EADDRNOTAVAIL',
    'EACCES',
    'ETIMEDOUT',
  ],
  upstream_tls: [
    'CERT_HAS_EXPIRED',
    'CERT_NOT_YET_VALID',
    'CRL_HAS_EXPIRED',
    'DEPTH_ZERO_SELF_SIGNED_CERT',
    'SELF_SIGNED_CERT_IN_CHAIN',
    'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
    'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
    'HOSTNAME_MISMATCH',
    'INVALID_CA',
    'INVALID_PURPOSE',
    'PATH_LENGTH_EXCEEDED',
    'ERR_TLS_CERT_ALTNAME_INVALID',
    'ERR_SSL_WRONG_VERSION_NUMBER',
    'EPROTO',
  ],
  upstream_reset: [
    'ECONNRESET',
    'EPIPE',
    'ECONNABORTED',
    'UND_ERR_SOCKET',
    'UND_ERR_HEADERS_OVERFLOW',
    'HPE_INVALID_CONSTANT',
    'EPROTOTYPE',
    'something new',
  ],
} as const

for (const [code, causes] of Object.entries(CODES)) {
  for (const cause of causes) {
    t.test(`${cause} is ${code} to the caller, and no more is told`, async (t) => {
      t.strictSame(upstreamFailure(failed(cause), LIMITS), { code })
    })
  }
}

t.test('an error without a code is a broken connection', async (t) => {
  for (const error of [new Error(CANARY), CANARY, undefined]) {
    t.strictSame(upstreamFailure(error, LIMITS), { code: 'upstream_reset' })
  }
})

const TIMEOUTS = [
  [new errors.ConnectTimeoutError(), 'No connection within SKP_CONNECT_TIMEOUT=5000ms.'],
  [new errors.HeadersTimeoutError(), 'No answer within SKP_RESPONSE_TIMEOUT=60000ms.'],
  [new errors.BodyTimeoutError(), 'No further data within SKP_IDLE_TIMEOUT=120000ms.'],
] as const

for (const [error, detail] of TIMEOUTS) {
  t.test(`${error.name} names the setting and its value`, async (t) => {
    t.strictSame(upstreamFailure(error, LIMITS), { code: 'upstream_timeout', detail })
  })
}

t.test('what the proxy itself is short of is not told as a fault of the API', async (t) => {
  const shortages = {
    ERR_QUEUE_TIMEOUT: 'No connection to the API was free within SKP_QUEUE_TIMEOUT=5000ms.',
    EMFILE: 'No file descriptor is left.',
    ENFILE: 'No file descriptor is left.',
  }
  for (const [code, detail] of Object.entries(shortages)) {
    t.strictSame(upstreamFailure(failed(code), LIMITS), { code: 'overloaded', detail }, code)
  }
})

t.test('only a connection that was open and broke is a loss', async (t) => {
  for (const code of ['ECONNRESET', 'EPIPE', 'ECONNABORTED', 'UND_ERR_SOCKET']) {
    t.equal(isConnectionLoss(failed(code)), true, code)
  }
  for (const code of ['ECONNREFUSED', 'ETIMEDOUT', 'UND_ERR_BODY_TIMEOUT', 'CERT_HAS_EXPIRED']) {
    t.equal(isConnectionLoss(failed(code)), false, code)
  }
  t.equal(isConnectionLoss(new Error('without a code')), false)
})

/** The proxy before an API that answers each request with the next of these, and closes. */
const startAnswering = async (t: Test, answers: Iterator<string>) => {
  const api = await startRawServer(t, (socket) => {
    socket.once('data', () => void socket.end(answers.next().value as string, 'latin1'))
  })
  return startProxy(t, { api: api.url })
}

/** What is no HTTP → what the parser says of it. */
const NO_HTTP: Record<string, string> = {
  'SSH-2.0-OpenSSH_9.6\r\n': 'Expected HTTP/, RTSP/ or ICE/',
  // What a server that speaks TLS says to plain text: an alert.
  '\x15\x03\x01\x00\x02\x02\x16': 'Expected HTTP/, RTSP/ or ICE/',
  '<html>canary</html>': 'Expected HTTP/, RTSP/ or ICE/',
  'HTTP/2 200 OK\r\n\r\n': 'Expected dot',
  'HTTP/1.1 200 OK\r\nx-canary: a\x01b\r\n\r\n': 'Invalid header value char',
  'HTTP/1.1 200 OK\r\nx canary: a\r\n\r\n': 'Invalid header token',
  'HTTP/1.1 200 OK\r\nx: a\r\n canary\r\n\r\n': 'Unexpected whitespace after header value',
  'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\ncanary\r\n':
    'Invalid character in chunk size',
}

t.test('what is no HTTP is logged and answered in the words of the parser', async (t) => {
  const { port, log } = await startAnswering(t, Object.keys(NO_HTTP).values())
  for (const [bytes, reason] of Object.entries(NO_HTTP)) {
    const answer = await call(port)
    t.match(answer, { status: 502, headers: { 'x-error-code': 'upstream_reset' } })
    t.match(answer.body.toString(), `It is no whole HTTP response: ${reason}.`, bytes)
    t.match(
      log.findLast(({ code }) => code !== undefined),
      { code: 'HPE', reason },
    )
  }
  t.notMatch(JSON.stringify(log), 'canary')
})

t.test('a broken connection is logged by its code, without its text', async (t) => {
  t.strictSame(describeError(failed('ECONNRESET')), { code: 'ECONNRESET' })
  t.match(describeError(new errors.HTTPParserError('')), { code: 'HPE', reason: /without/ })
  t.match(describeError(failed('EMFILE')), { code: 'EMFILE', reason: /no file descriptor is left/ })
})

t.test(
  'a field with a byte that Node does not write is a code, each other one passes',
  async (t) => {
    const bytes = Array.from({ length: 256 }, (_, i) => String.fromCharCode(i))
    const responses = bytes.map(
      (byte) => `HTTP/1.1 200 OK\r\nx-a: p${byte}q\r\ncontent-length: 0\r\n\r\n`,
    )
    const { port } = await startAnswering(t, responses.values())
    for (const byte of bytes) {
      const { status, headers } = await call(port)
      const expected = isWritten(byte) ? [200, `p${byte}q`] : [502, undefined]
      t.strictSame([status, headers['x-a']], expected, byte)
    }
  },
)

const isWritten = (byte: string): boolean => {
  try {
    validateHeaderValue('x-a', byte)
    return true
  } catch {
    return false
  }
}
