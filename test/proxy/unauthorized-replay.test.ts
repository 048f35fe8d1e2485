import { PassThrough } from 'node:stream'
import t from 'tap'
import type { RequestBody } from '../../src/proxy/request-body.ts'
import {
  isRepeatable,
  judgeUnauthorized,
  type UnauthorizedOptions,
  type UnauthorizedRequest,
  type Verdict,
} from '../../src/proxy/unauthorized-replay.ts'

const REQUEST: UnauthorizedRequest = { method: 'GET', body: null, replayed: false }
const OPTIONS: UnauthorizedOptions = { replayWrites: false, passUnauthorized: false }

const BODIES: Readonly<Record<string, RequestBody>> = {
  no: null,
  'a held': Buffer.from('{}'),
  'an empty held': Buffer.alloc(0),
  'a streamed': new PassThrough(),
}

/** @param renewed whether another token is there or on its way */
const judge = (
  request: Partial<UnauthorizedRequest>,
  options: Partial<UnauthorizedOptions> = {},
  renewed = true,
) => {
  let told = 0
  const verdict = judgeUnauthorized({ ...REQUEST, ...request }, { ...OPTIONS, ...options }, () => {
    told += 1
    return renewed
  })
  return { verdict, told }
}

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
      t.test(`${method} with ${body} body: the first 401`, async (t) => {
        const request = { method, body: BODIES[body] as RequestBody }
        t.strictSame(judge(request), { verdict: verdictIf(off), told: 1 })
        t.strictSame(judge(request, { replayWrites: true }), { verdict: verdictIf(on), told: 1 })
      })
    }
  }
}

const HOPELESS = {
  'the second 401': [{ replayed: true }, true],
  'a 401 that no new token follows': [{ replayed: false }, false],
  'the second 401 that no new token follows': [{ replayed: true }, false],
} as const

for (const [title, [request, renewed]] of Object.entries(HOPELESS)) {
  for (const replayWrites of [false, true]) {
    for (const [name, body] of Object.entries(BODIES)) {
      t.test(`${title}: no replay with ${name} body, writes ${replayWrites}`, async (t) => {
        const told = { told: 1 }
        t.strictSame(judge({ ...request, body }, { replayWrites }, renewed), {
          verdict: 'upstream_rejected_token',
          ...told,
        })
        const passing = { replayWrites, passUnauthorized: true }
        t.strictSame(judge({ ...request, body }, passing, renewed), { verdict: 'pass', ...told })
      })
    }
  }
}

t.test('a 401 that can be cured is not passed on, whatever SKP_PASS_401 says', async (t) => {
  const options = { passUnauthorized: true }
  t.equal(judge({}, options).verdict, 'replay')
  t.equal(judge({ method: 'POST' }, options).verdict, 'token_refreshed_retry')
})

const REPEATABLE = ['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE']

for (const method of [...REPEATABLE, 'POST', 'PATCH', 'MERGE', 'QUERY', '']) {
  const expected = REPEATABLE.includes(method)
  t.test(`${method || 'no method'} without a body may be repeated: ${expected}`, async (t) => {
    t.equal(isRepeatable(method, null), expected)
    t.equal(isRepeatable(method, Buffer.from('{}')), false, 'never with a body')
    t.equal(isRepeatable(method, new PassThrough()), false, 'nor with a streamed one')
  })
}
