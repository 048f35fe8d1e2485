import t from 'tap'
import { errors } from 'undici'
import { isConnectionLoss, upstreamFailure } from '../../src/proxy/upstream-errors.ts'

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
