import t from 'tap'
import {
  parseTokenResponse,
  publicFailure,
  type TokenResponse,
  type TokenFailure,
} from '../../src/token/token-response.ts'

const NOW = Date.UTC(2026, 0, 1)
const HOUR = 3_600_000
const FIELDS = { access_token: 'opaque', token_type: 'bearer', expires_in: 3600 }
const GRANTED: TokenResponse = {
  status: 200,
  contentType: 'application/json',
  retryAfter: undefined,
  body: JSON.stringify(FIELDS),
}
const parse = (changes: Partial<TokenResponse>) =>
  parseTokenResponse({ ...GRANTED, ...changes }, NOW)
const parseFields = (changes: object) => parse({ body: JSON.stringify({ ...FIELDS, ...changes }) })
const failure = (kind: string, reason: string, extra: object = { status: 200 }) => ({
  ok: false,
  failure: { kind, reason, ...extra },
})
const jwt = (claims: unknown) =>
  `e30.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.c2ln`

t.test('a granted token has its value and lifetime', async (t) => {
  t.strictSame(parse({}), { ok: true, value: 'opaque', lifetime: HOUR })
})

const LIFETIMES: Record<string, [changes: object, lifetime: number]> = {
  'a number of seconds': [{ expires_in: 43_199 }, 43_199_000],
  'a number of seconds as text': [{ expires_in: '1800' }, 1_800_000],
  'more than a day is a day': [{ expires_in: 1e12 }, 24 * HOUR],
  'expires_in before the claims': [
    { expires_in: 60, access_token: jwt({ iat: 0, exp: 7200 }) },
    60_000,
  ],
  'the claims where expires_in is missing': [
    { expires_in: undefined, access_token: jwt({ iat: 1000, exp: 8200 }) },
    2 * HOUR,
  ],
  'the claims where expires_in is zero': [
    { expires_in: 0, access_token: jwt({ iat: 1000, exp: 8200 }) },
    2 * HOUR,
  ],
  'the claims where expires_in is no number': [
    { expires_in: true, access_token: jwt({ iat: 1000, exp: 8200 }) },
    2 * HOUR,
  ],
  'five minutes for an opaque token': [{ expires_in: undefined }, 300_000],
  'five minutes where expires_in is negative': [{ expires_in: -1 }, 300_000],
  'five minutes where expires_in is a word': [{ expires_in: 'never' }, 300_000],
  'five minutes where the claims say nothing': [
    { expires_in: undefined, access_token: jwt({}) },
    300_000,
  ],
  'five minutes where the claims are no object': [
    { expires_in: undefined, access_token: jwt(null) },
    300_000,
  ],
  'five minutes where the claims are no JSON': [
    { expires_in: undefined, access_token: 'a.b.c' },
    300_000,
  ],
  'five minutes where the claims run backwards': [
    { expires_in: undefined, access_token: jwt({ iat: 2000, exp: 1000 }) },
    300_000,
  ],
}

for (const [title, [changes, lifetime]] of Object.entries(LIFETIMES)) {
  t.test(`the lifetime is ${title}`, async (t) => {
    t.match(parseFields(changes), { ok: true, lifetime })
  })
}

t.test('the token type may be missing or written in any case', async (t) => {
  t.match(parseFields({ token_type: undefined }), { ok: true })
  t.match(parseFields({ token_type: 'Bearer' }), { ok: true })
})

for (const token_type of ['mac', 'bearer x', 'x-bearer', ['bearer'], '', 7, null]) {
  t.test(`a token of type ${JSON.stringify(token_type)} is of no use`, async (t) => {
    const expected = failure('misconfigured', 'sent a token that is not a bearer token')
    t.strictSame(parseFields({ token_type }), expected)
  })
}

const WITHOUT_TOKEN = {
  'an empty answer': ['', 'answered 200 without a JSON object'],
  'broken JSON': ['{"access_token":"op', 'answered 200 without a JSON object'],
  'JSON of no object': ['null', 'answered 200 without a JSON object'],
  'JSON of a text': ['"opaque"', 'answered 200 without a JSON object'],
  'a text with a < in it': ['if a < b', 'answered 200 without a JSON object'],
  'no token in it': ['{}', 'answered 200 without an access_token'],
  'a list': ['[]', 'answered 200 without an access_token'],
  'an empty token': ['{"access_token":""}', 'answered 200 without an access_token'],
  'a body that cannot be decoded': [undefined, 'answered 200 with a body that cannot be decoded'],
  'a token that is no text': ['{"access_token":7}', 'answered 200 without an access_token'],
} as const

for (const [title, [body, reason]] of Object.entries(WITHOUT_TOKEN)) {
  t.test(`${title} is worth another try`, async (t) => {
    t.strictSame(parse({ body }), failure('transient', reason))
  })
}

t.test('a token that would break or split a header is refused', async (t) => {
  for (const character of ['\r\nx-admin: 1', '\n', '\0', ' ', '\t', '\u007f', '\u00e4', '\u2028']) {
    const expected = failure('transient', 'sent a token with characters no header may carry')
    t.strictSame(parseFields({ access_token: `ab${character}cd` }), expected)
    t.strictSame(parseFields({ access_token: `ab${character}` }), expected)
  }
})

t.test('a web page means that the URL is wrong', async (t) => {
  const expected = failure('misconfigured', 'answered 200 with a web page')
  t.strictSame(parse({ contentType: 'text/html;charset=utf-8', body: 'Sign in' }), expected)
  for (const space of ['', '\n', '\r\n  ']) {
    t.strictSame(parse({ body: `${space}<!doctype html>` }), expected)
  }
})

const STATUSES: readonly [kind: string, statuses: readonly number[]][] = [
  ['misconfigured', [201, 204, 301, 302, 307, 404, 405, 410, 415]],
  ['transient', [408, 500, 502, 503, 504, 599]],
  ['rate_limited', [429]],
]

for (const [kind, statuses] of STATUSES) {
  t.test(`${statuses.join(', ')}: ${kind}`, async (t) => {
    for (const status of statuses) {
      t.strictSame(parse({ status }), failure(kind, `answered ${status}`, { status }))
    }
  })
}

t.test('400, 401, 403: rejected, by an OAuth error with a code and words about it', async (t) => {
  const code = 'invalid_client'
  for (const status of [400, 401, 403]) {
    const reason = `answered ${status} invalid_client`
    const remedy = 'the key may have been deleted or replaced: create a new one and bind it'
    const plain = failure('rejected', reason, { status, code, remedy })
    t.strictSame(parse({ status, body: `{"error":"${code}"}` }), plain)
    const body = JSON.stringify({ error: code, error_description: 'Bad\r\n credentials ' })
    const described = failure('rejected', reason, {
      status,
      code,
      remedy,
      description: 'Bad credentials',
    })
    t.strictSame(parse({ status, body }), described)
    for (const unfit of ['', 7, 'x'.repeat(501), 'b\u00f6se', '\u001b[31m']) {
      const body = JSON.stringify({ error: code, error_description: unfit })
      t.strictSame(parse({ status, body }), plain, JSON.stringify(unfit).slice(0, 20))
    }
  }
})

t.test('400, 401, 403 without an OAuth error: it was no token endpoint that refused', async (t) => {
  const bodies = [
    '',
    'Unauthorized',
    '<html>403 Forbidden</html>',
    '{}',
    'null',
    '["invalid_client"]',
    '{"error":{"code":"401"}}',
    // What a web framework says of its own accord.
    '{"timestamp":0,"status":401,"error":"Unauthorized","path":"/oauth/token"}',
  ]
  for (const status of [400, 401, 403]) {
    const expected = failure('misconfigured', `answered ${status} without an OAuth error`, {
      status,
    })
    for (const body of bodies) t.strictSame(parse({ status, body }), expected, body)
    t.strictSame(parse({ status, body: undefined }), expected, 'a body that cannot be decoded')
  }
})

const adviceFor = (error: string) => {
  const parsed = parse({ status: 401, body: JSON.stringify({ error }) })
  return parsed.ok ? undefined : parsed.failure.remedy
}

t.test('what is to be done depends on the error code', async (t) => {
  const advice: Record<string, RegExp> = {
    invalid_client: /create a new one and bind it/,
    unauthorized: /create a new one and bind it/,
    unauthorized_client: /may not use the grant/,
    invalid_scope: /SKP_TOKEN_SCOPE/,
    unsupported_grant_type: /SKP_TOKEN_URL/,
    invalid_grant: /SKP_TOKEN_PARAMS/,
  }
  for (const [code, pattern] of Object.entries(advice)) t.match(adviceFor(code), pattern, code)
  for (const code of ['invalid_request', 'constructor', 'Forbidden']) {
    t.equal(adviceFor(code), undefined, code)
  }
})

const SECRET = 's3cret-of-the-key'
const ECHOES = {
  'beside the description': { error: 'unauthorized', error_uri: SECRET },
  'as the code': { error: SECRET },
  'beside the code': { error: `invalid_client ${SECRET}` },
  'inside an object': { error: { message: SECRET } },
  'as a text': SECRET,
}

for (const [place, body] of Object.entries(ECHOES)) {
  t.test(`a server that echoes the secret ${place} is not quoted`, async (t) => {
    for (const status of [200, 401, 429, 500]) {
      const parsed = parse({ status, body: JSON.stringify(body) })
      t.equal(parsed.ok, false)
      t.notMatch(JSON.stringify(parsed), SECRET)
    }
  })
}

t.test('an error code of any length is not quoted', async (t) => {
  const body = JSON.stringify({ error: 'a'.repeat(41) })
  const reason = 'answered 400 without an OAuth error'
  t.strictSame(parse({ status: 400, body }), failure('misconfigured', reason, { status: 400 }))
})

t.test('the description of an error is for the redacted log alone', async (t) => {
  const body = JSON.stringify({ error: 'unauthorized', error_description: `Bad ${SECRET}` })
  for (const status of [200, 401, 429, 500]) {
    const parsed = parse({ status, body })
    if (parsed.ok) throw new Error('no failure')
    const { description, ...rest } = parsed.failure
    t.equal(description, status === 401 ? `Bad ${SECRET}` : undefined)
    t.notMatch(JSON.stringify([rest, publicFailure(parsed.failure, 0)]), SECRET)
  }
})

t.test('a rate limit carries the wait that the server asks for', async (t) => {
  const extra = { status: 429, retryAfter: 7_000 }
  const expected = failure('rate_limited', 'answered 429', extra)
  t.strictSame(parse({ status: 429, retryAfter: '7' }), expected)
  const date = new Date(NOW + 7_000).toUTCString()
  t.strictSame(parse({ status: 429, retryAfter: date }), expected)
})

const WAITS: readonly [value: string | undefined, ms: number | undefined][] = [
  [undefined, undefined],
  ['soon', undefined],
  ['', undefined],
  ['-5', undefined],
  ['1.5', undefined],
  ['5e3', undefined],
  ['2027-01-01', undefined],
  ['0', 0],
  ['60', 60_000],
  ['61', 60_000],
  ['9'.repeat(400), 60_000],
  [new Date(NOW).toUTCString(), 0],
  [new Date(NOW - HOUR).toUTCString(), 0],
  [new Date(NOW + HOUR).toUTCString(), 60_000],
]

for (const [value, ms] of WAITS) {
  t.test(`Retry-After: ${value?.slice(0, 40)} is ${ms} ms`, async (t) => {
    const extra = { status: 429, ...(ms === undefined ? {} : { retryAfter: ms }) }
    t.strictSame(
      parse({ status: 429, retryAfter: value }),
      failure('rate_limited', 'answered 429', extra),
    )
  })
}

const REASON = 'answered 500 of acme.authentication.example'

t.test('a failure that only an operator can end names no time to come back', async (t) => {
  t.strictSame(publicFailure({ kind: 'rejected', reason: REASON }, 5_000), {
    code: 'credential_rejected',
  })
  t.strictSame(publicFailure({ kind: 'misconfigured', reason: REASON }, 5_000), {
    code: 'token_endpoint_invalid',
  })
})

const SECONDS: readonly [kind: TokenFailure['kind'], nextTry: number, retryAfter: number][] = [
  ['transient', -1, 1],
  ['transient', 0, 1],
  ['transient', 1_000, 1],
  ['transient', 1_001, 2],
  ['transient', 30_000, 30],
  ['transient', 45_000, 30],
  ['rate_limited', 0, 1],
  ['rate_limited', 45_000, 45],
  ['rate_limited', 90_000, 60],
]

for (const [kind, nextTry, retryAfter] of SECONDS) {
  t.test(`${kind}: the next try in ${nextTry} ms is ${retryAfter} s to the caller`, async (t) => {
    const code = kind === 'transient' ? 'token_unavailable' : 'token_rate_limited'
    t.strictSame(publicFailure({ kind, reason: REASON }, nextTry), { code, retryAfter })
  })
}
