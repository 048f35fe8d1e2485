/** The drill itself: a short one passes, and each thing that must never happen makes it fail. */
import t from 'tap'
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Call } from '../fixtures/caller.ts'
import type { Arrival } from '../fixtures/scripted-api.ts'
import type { Grant, TokenRequest } from '../fixtures/scripted-token-server.ts'
import { judge, VIOLATIONS, type RunRecord, type ViolationKind } from './judge.ts'
import { PHASES, planFor } from './phases.ts'
import { table, verdict } from './report.ts'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))

const runDrill = (...args: string[]) => {
  const drill = spawn(process.execPath, ['--import', 'tsx', 'test/drill/main.ts', ...args], {
    cwd: ROOT,
    env: { PATH: process.env['PATH'], _TAPJS_PROCESSINFO_COVERAGE_: '0' },
  })
  t.teardown(() => drill.kill('SIGTERM'))
  let output = ''
  drill.stdout.setEncoding('utf8').on('data', (chunk: string) => (output += chunk))
  drill.stderr.setEncoding('utf8').on('data', (chunk: string) => (output += chunk))
  return new Promise<{ code: number | null; output: string }>((resolve) => {
    drill.once('close', (code) => resolve({ code, output }))
  })
}

// One fault and a healthy end, in the time that the rest of this file takes.
const SHORT = '--rotations 0 --seconds 5 --seed 1 --only'
const short = runDrill(...SHORT.split(' '), 'API revokes tokens')
const refused = [runDrill('--only', 'nothing'), runDrill('--seconds', 'ten')]

const planned = (seconds: number) => planFor(seconds).map(({ name }) => name)

t.test('a minute holds every phase once, two minutes twice', async (t) => {
  const names = PHASES.map(({ name }) => name)
  t.same(planned(60), [...names, 'healthy again'])
  t.same(planned(1), ['healthy again'])
  t.same(planned(120).slice(0, 2 * names.length), [...names, ...names])
})

const SECOND = 1000
const GRANT: Grant = { value: 'drill-1-x', askedAt: 0, grantedAt: 5, lifetime: 12 * SECOND }
const LATER: Grant = { ...GRANT, value: 'drill-2-x', askedAt: 6 * SECOND, grantedAt: 6005 }
const ASKED: TokenRequest = { at: 0, endedAt: 5, outcome: 'granted', grant: GRANT }
const ASKED_AGAIN: TokenRequest = { ...ASKED, at: 6000, endedAt: 6005, grant: LATER }
const READ: Call = {
  id: 'r1',
  action: 'read',
  method: 'GET',
  startedAt: 2000,
  endedAt: 2010,
  status: 200,
  echoed: 'r1',
}
const WRITE: Call = { ...READ, id: 'w2', method: 'POST', status: 201, echoed: 'w2' }
const READ_ARRIVAL: Arrival = {
  id: 'r1',
  at: 2005,
  token: 'good',
  presented: GRANT.value,
  isWrite: false,
  applied: false,
  wasReset: false,
}
const WRITE_ARRIVAL: Arrival = { ...READ_ARRIVAL, id: 'w2', isWrite: true, applied: true }
const REVOKED: Arrival = { ...READ_ARRIVAL, token: 'revoked' }
const REFUSAL = { status: 503, code: 'token_unavailable', retryAfter: '1' }
const RETRY = { status: 503, code: 'token_refreshed_retry', retryAfter: '1' }

const SEGMENT = { name: 'fault', startedAt: 0, endedAt: 20 * SECOND }
const EXCUSED = [
  { ...SEGMENT, allows: { all: ['token_unavailable'], writes: ['token_refreshed_retry'] } },
]

const CLEAN: RunRecord = {
  segments: [{ ...SEGMENT, allows: { all: [], writes: [] } }],
  calls: [READ, WRITE],
  arrivals: [READ_ARRIVAL, WRITE_ARRIVAL],
  grants: [GRANT, LATER],
  tokenRequests: [ASKED, ASKED_AGAIN],
  outages: [],
  stuck: [],
  log: '{"msg":"listening"}\n{"msg":"GET /Assessment 200"}\n',
  secrets: ['drill+secret', GRANT.value],
  death: undefined,
}

const failing = (outcome: TokenRequest['outcome'], at: number): TokenRequest => ({
  at,
  endedAt: at + 5,
  outcome,
})

const FAULTY: readonly (readonly [ViolationKind, string, Partial<RunRecord>])[] = [
  ['lost answer', 'a broken connection', { calls: [{ ...READ, status: undefined }, WRITE] }],
  ['wrong answer', 'a 500', { calls: [{ ...READ, status: 500, echoed: undefined }, WRITE] }],
  ['wrong answer', 'the answer of another request', { calls: [{ ...READ, echoed: 'r9' }, WRITE] }],
  ['wrong answer', 'another body', { calls: [{ ...READ, fault: 'another body' }, WRITE] }],
  ['wrong answer', 'a 401 passed on', { calls: [{ ...READ, status: 401 }, WRITE] }],
  ['failed read', 'a refusal', { segments: EXCUSED, calls: [{ ...READ, ...REFUSAL }, WRITE] }],
  [
    'refused write',
    'a refusal',
    { segments: EXCUSED, calls: [READ, { ...WRITE, ...REFUSAL }], arrivals: [READ_ARRIVAL] },
  ],
  [
    'waited read',
    'three seconds',
    { calls: [{ ...READ, endedAt: 5000 }, WRITE], log: '{"request_id":"r1","token":"waited"}' },
  ],
  [
    'outside the contract',
    'a code that nothing excuses',
    { grants: [], calls: [{ ...READ, ...REFUSAL }, WRITE] },
  ],
  [
    'outside the contract',
    'an unknown code',
    { grants: [], calls: [{ ...READ, status: 502, code: 'internal' }, WRITE] },
  ],
  [
    'outside the contract',
    'a wrong status',
    { grants: [], segments: EXCUSED, calls: [{ ...READ, ...REFUSAL, status: 500 }, WRITE] },
  ],
  [
    'outside the contract',
    'a Retry-After out of range',
    { grants: [], segments: EXCUSED, calls: [{ ...READ, ...REFUSAL, retryAfter: '31' }, WRITE] },
  ],
  [
    'outside the contract',
    'token_refreshed_retry without a 401',
    {
      segments: EXCUSED,
      calls: [READ, { ...WRITE, ...RETRY }],
      arrivals: [READ_ARRIVAL, { ...WRITE_ARRIVAL, applied: false }],
    },
  ],
  ['lost write', 'a 201 for nothing', { arrivals: [READ_ARRIVAL] }],
  ['duplicate write', 'applied twice', { arrivals: [READ_ARRIVAL, WRITE_ARRIVAL, WRITE_ARRIVAL] }],
  [
    'write sent twice',
    'after something else than a 401',
    { arrivals: [READ_ARRIVAL, { ...WRITE_ARRIVAL, applied: false }, WRITE_ARRIVAL] },
  ],
  [
    'refused but applied',
    'token_refreshed_retry for a write that was applied',
    {
      segments: EXCUSED,
      calls: [READ, { ...WRITE, ...RETRY }],
      arrivals: [READ_ARRIVAL, { ...WRITE_ARRIVAL, token: 'revoked' }],
    },
  ],
  ['expired token', 'one', { arrivals: [{ ...READ_ARRIVAL, token: 'expired' }, WRITE_ARRIVAL] }],
  [
    'malformed token',
    'one',
    { arrivals: [{ ...READ_ARRIVAL, token: 'malformed' }, WRITE_ARRIVAL] },
  ],
  [
    'revoked token',
    'a second after its rejection, and there is another one',
    {
      grants: [GRANT, { ...LATER, askedAt: 1000, grantedAt: 1005 }],
      arrivals: [{ ...REVOKED, id: 'r0', at: 1000 }, REVOKED, READ_ARRIVAL, WRITE_ARRIVAL],
    },
  ],
  [
    'too many replays',
    'six',
    { arrivals: [...Array.from({ length: 6 }, () => REVOKED), READ_ARRIVAL, WRITE_ARRIVAL] },
  ],
  ['too many replays', 'of an answer', { arrivals: [READ_ARRIVAL, READ_ARRIVAL, WRITE_ARRIVAL] }],
  ['token requests at once', 'two', { tokenRequests: [{ ...ASKED, endedAt: 7000 }, ASKED_AGAIN] }],
  [
    'too many token requests',
    'before the soft point',
    { tokenRequests: [ASKED, { ...ASKED_AGAIN, at: 4000 }] },
  ],
  [
    'too many token requests',
    'at once after a revocation',
    {
      tokenRequests: [
        { ...ASKED, grant: { ...GRANT, revokedAt: 100 } },
        { ...ASKED_AGAIN, at: 300 },
      ],
    },
  ],
  [
    'too many token requests',
    'before Retry-After',
    { tokenRequests: [{ ...failing('limited', 0), notBefore: 3000 }, failing('limited', 2000)] },
  ],
  [
    'too many token requests',
    'a fourth try at once',
    { tokenRequests: [0, 100, 200, 300].map((at) => failing('transient', at)) },
  ],
  ['no recovery', 'after a fault', { stuck: ['fault'] }],
  ['leak', 'a token in the log', { log: `{"msg":"Bearer ${GRANT.value}"}` }],
  ['proxy died', 'by a signal', { death: 'ended with SIGSEGV' }],
]

t.test('a clean record passes', async (t) => {
  t.same(judge(CLEAN), [])
  t.equal(verdict(CLEAN, []), 'verdict: ok; 0 of 1 reads failed while a usable token existed\n')
  t.match(table(CLEAN), /^fault +20\.0 +2 +2 +- +10 +2 +0$/m)
})

t.test(
  'what is sent again after a 401 passes, and a dead token while there is no other',
  async (t) => {
    const refused = { ...WRITE_ARRIVAL, token: 'revoked', applied: false } as const
    const arrivals = [{ ...REVOKED, id: 'r0', at: 1000 }, REVOKED, refused, READ_ARRIVAL]
    t.same(judge({ ...CLEAN, arrivals: [...arrivals, WRITE_ARRIVAL] }), [])
  },
)

t.test('what a fault excuses passes', async (t) => {
  const revoked = { ...GRANT, revokedAt: 1000 }
  const refused: RunRecord = {
    ...CLEAN,
    segments: EXCUSED,
    grants: [revoked],
    calls: [
      { ...READ, ...REFUSAL },
      { ...WRITE, ...RETRY },
    ],
    arrivals: [REVOKED, { ...WRITE_ARRIVAL, token: 'revoked', applied: false }],
  }
  t.same(judge(refused), [])
})

for (const [kind, what, fault] of FAULTY) {
  t.test(`${kind}: ${what}`, async (t) => {
    const run = { ...CLEAN, ...fault }
    const violations = judge(run)
    t.same([...new Set(violations.map((violation) => violation.kind))], [kind])
    t.match(verdict(run, violations), `verdict: ${violations.length} violations; `)
  })
}

t.test('every kind of violation has a case', async (t) => {
  t.same([...new Set(FAULTY.map(([kind]) => kind))].toSorted(), Object.keys(VIOLATIONS).toSorted())
})

t.test('an unknown phase or number is refused', async (t) => {
  t.match(await Promise.all(refused), [{ code: 2 }, { code: 2 }])
})

t.test('a short drill passes', async (t) => {
  const { code, output } = await short
  t.equal(code, 0, output)
  t.match(output, /^seed 1,/)
  t.match(output, / API revokes tokens\n.* healthy again\n/s)
  t.match(output, /verdict: ok; 0 of \d\d\d reads failed while a usable token existed\n$/)
})
