/** What to do about a 401, without any connection. */
import { PassThrough } from 'node:stream'
import t from 'tap'
import {
  blamesToken,
  isRepeatable,
  judgeUnauthorized,
  type UnauthorizedOptions,
  type UnauthorizedRequest,
  type Verdict,
} from '../../src/proxy/replay.ts'
import type { RequestBody } from '../../src/proxy/request-body.ts'

const REQUEST: UnauthorizedRequest = {
  method: 'GET',
  body: null,
  isCurable: true,
  isTokenBlamed: false,
}
const OPTIONS: UnauthorizedOptions = { replayWrites: 'off', passUnauthorized: false }

const BODIES: Readonly<Record<string, RequestBody>> = {
  no: null,
  'a held': Buffer.from('{}'),
  'an empty held': Buffer.alloc(0),
  'a streamed': new PassThrough(),
}

const judge = (
  request: Partial<UnauthorizedRequest>,
  options: Partial<UnauthorizedOptions> = {},
): Verdict => judgeUnauthorized({ ...REQUEST, ...request }, { ...OPTIONS, ...options })

const verdictIf = (replayed: boolean): Verdict => (replayed ? 'replay' : 'token_refreshed_retry')

type Replays = readonly [off: boolean, on: boolean]

/** Whether it is replayed, with SKP_REPLAY_WRITES off and on. */
const REPLAYED: Readonly<Record<string, Readonly<Record<string, Replays>>>> = {
  no: {
    'GET HEAD OPTIONS PUT DELETE': [true, true],
    'POST PATCH MERGE QUERY LOCK get': [false, true],
  },
  'a held': {
    'GET HEAD OPTIONS': [true, true],
    'PUT DELETE POST PATCH MERGE QUERY LOCK get': [false, true],
  },
  'an empty held': {
    'GET HEAD OPTIONS': [true, true],
    'PUT DELETE POST PATCH MERGE QUERY LOCK get': [false, true],
  },
  'a streamed': {
    'GET HEAD OPTIONS PUT DELETE POST PATCH MERGE QUERY LOCK get': [false, false],
  },
}

for (const [body, rows] of Object.entries(REPLAYED)) {
  for (const [methods, [off, on]] of Object.entries(rows)) {
    for (const method of methods.split(' ')) {
      t.test(`${method} with ${body} body: a 401 that another token may cure`, async (t) => {
        const request = { method, body: BODIES[body] as RequestBody }
        const blamed = { ...request, isTokenBlamed: true }
        t.equal(judge(request), verdictIf(off))
        t.equal(judge(blamed), verdictIf(off), 'off is off, whatever the API says')
        t.equal(judge(request, { replayWrites: 'on' }), verdictIf(on))
        t.equal(judge(request, { replayWrites: 'invalid-token' }), verdictIf(off))
        t.equal(judge(blamed, { replayWrites: 'invalid-token' }), verdictIf(on))
      })
    }
  }
}

for (const replayWrites of ['off', 'on', 'invalid-token'] as const) {
  for (const [name, body] of Object.entries(BODIES)) {
    t.test(`no token left: no replay with ${name} body, writes ${replayWrites}`, async (t) => {
      const request = { body, isCurable: false, isTokenBlamed: true }
      t.equal(judge(request, { replayWrites }), 'upstream_rejected_token')
      t.equal(judge(request, { replayWrites, passUnauthorized: true }), 'pass')
    })
  }
}

t.test('a 401 that can be cured is not passed on, whatever SKP_PASS_401 says', async (t) => {
  const options = { passUnauthorized: true }
  t.equal(judge({}, options), 'replay')
  t.equal(judge({ method: 'POST' }, options), 'token_refreshed_retry')
})

const CHALLENGES: readonly (readonly [blames: boolean, ...values: string[]])[] = [
  [true, 'Bearer realm="intas", error="invalid_token"'],
  [true, 'bearer ERROR=invalid_token'],
  [true, 'Bearer error = "invalid_token" , error_description="The token has expired"'],
  [true, 'Basic realm="x", Bearer scope="a b",error="invalid_token"'],
  [true, 'Negotiate dG9rZW4=, Bearer error="invalid_token"'],
  [true, 'Bearer realm="a, \\"b", error="invalid_token"'],
  [true, 'Basic realm="x"', 'Bearer error="invalid_token"'],
  [false],
  [false, ''],
  [false, 'Bearer'],
  [false, 'Bearer error="insufficient_scope"'],
  [false, 'Bearer error="invalid_token'],
  [false, 'Bearer realm="error=invalid_token"'],
  [false, 'Basic realm="Bearer error=\\"invalid_token\\""'],
  [false, 'Basic error="invalid_token"'],
  [false, 'Bearer realm="x", Basic error="invalid_token"'],
  [false, 'error="invalid_token"'],
]

for (const [blames, ...values] of CHALLENGES) {
  t.test(`the token is${blames ? '' : ' not'} blamed by ${values.join(' and ')}`, async (t) => {
    const fields = values.flatMap((value) => ['WWW-Authenticate', value])
    const raw = ['x-error', 'Bearer error="invalid_token"', ...fields].map((text) =>
      Buffer.from(text),
    )
    t.equal(blamesToken(raw), blames)
  })
}

const REPEATABLE = ['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE']

for (const method of [...REPEATABLE, 'POST', 'PATCH', 'MERGE', 'QUERY', '']) {
  const expected = REPEATABLE.includes(method)
  t.test(`${method || 'no method'} without a body may be repeated: ${expected}`, async (t) => {
    t.equal(isRepeatable(method, null), expected)
    t.equal(isRepeatable(method, Buffer.from('{}')), false, 'never with a body')
    t.equal(isRepeatable(method, new PassThrough()), false, 'nor with a streamed one')
  })
}
