import t from 'tap'
import { ERROR_CODES, errorEntry, systemCode, type ErrorCode } from '../src/errors.ts'

const CONTRACT: Record<ErrorCode, readonly [status: number, origin: string, retryAfter?: number]> =
  {
    token_unavailable: [503, 'token-server', 1],
    token_rate_limited: [503, 'token-server', 1],
    credential_rejected: [502, 'token-server'],
    token_endpoint_invalid: [502, 'token-server'],
    upstream_rejected_token: [502, 'service-key-proxy'],
    token_refreshed_retry: [503, 'service-key-proxy', 1],
    upstream_connect: [502, 'service-key-proxy'],
    upstream_dns: [502, 'service-key-proxy'],
    upstream_tls: [502, 'service-key-proxy'],
    upstream_reset: [502, 'service-key-proxy'],
    upstream_timeout: [504, 'service-key-proxy'],
    upstream_loop: [502, 'service-key-proxy'],
    overloaded: [503, 'service-key-proxy', 1],
    body_too_large: [413, 'service-key-proxy'],
    caller_timeout: [408, 'service-key-proxy'],
    not_allowed: [403, 'service-key-proxy'],
    not_found: [404, 'service-key-proxy'],
    bad_request: [400, 'service-key-proxy'],
    stopping: [503, 'service-key-proxy', 1],
    internal: [502, 'service-key-proxy'],
  }

t.test('the codes are those that callers know', async (t) => {
  t.strictSame(ERROR_CODES.toSorted(), Object.keys(CONTRACT).toSorted())
})

for (const code of ERROR_CODES) {
  t.test(`${code} has its status, origin and text`, async (t) => {
    const entry = errorEntry(code)
    const [status, origin, retryAfter] = CONTRACT[code]
    t.equal(entry.status, status)
    t.equal(entry.origin, origin)
    t.equal(entry.retryAfter, retryAfter)
    t.match(entry.message, /^[A-Z].+\.$/, 'the text is a sentence')
  })
}

t.test('every answer that invites another try says when', async (t) => {
  const inviting = ERROR_CODES.map(errorEntry).filter(({ status }) => status === 503)
  t.ok(inviting.every(({ retryAfter }) => retryAfter !== undefined))
})

t.test('the code of a system error is told, never its text', async (t) => {
  const secret = new Error('password=s3cret')
  t.equal(systemCode(Object.assign(secret, { code: 'ECONNREFUSED' })), 'ECONNREFUSED')
  t.equal(systemCode(Object.assign(new Error('s3cret'), { code: 7 })), 'unknown')
  for (const error of [new Error('s3cret'), 's3cret', { code: 's3cret' }, undefined, null]) {
    t.equal(systemCode(error), 'unknown')
  }
})
