/** The soak's own judgement: each thing that it is for makes it fail. The soak itself runs in CI. */
import t from 'tap'
import type { Call } from '../fixtures/caller.ts'
import { allowanceOf, type Fault } from '../fixtures/fault-course.ts'
import { BodyCheck, bodyPieces } from '../fixtures/large-body.ts'
import { createRandom } from '../fixtures/random.ts'
import type { Arrival } from '../fixtures/scripted-api.ts'
import { chart } from './chart.ts'
import { isPassed, judge, memoryLimit, slopeOf, trendOf, type SoakRecord } from './judgement.ts'
import { judgeCall, Ledger } from './ledger.ts'
import { markdown, particulars, table } from './report.ts'
import { FAULTS } from './run.ts'
import { openMetricsFaults, valueIn } from './scrapes.ts'
import { LogWatch, sampleProcess } from './watch.ts'

t.test('a slope is that of the line, and its interval holds it', async (t) => {
  // Worked by hand: slope 0.9, residuals -0.2 0.9 -1 0.1 0.2, s² = 1.9/3, Σ(x - x̄)² = 10.
  const points = [1, 3, 2, 4, 5].map((y, x) => ({ x, y }))
  const { slope, low, high } = slopeOf(points)!
  t.equal(slope.toFixed(6), '0.900000')
  // t of 3 degrees of freedom is 3.182, so that ± 0.8009; the approximation is 1.5 % below.
  t.ok(Math.abs((high - low) / 2 / 0.8009 - 1) < 0.02)
  t.equal(((high + low) / 2).toFixed(6), '0.900000')
  t.equal(slopeOf(points.slice(1)), undefined, 'four points are too few')
  t.equal(slopeOf(points.map(({ y }) => ({ x: 1, y }))), undefined, 'no time has passed')
})

/** Of the interval, for values of the same spread. */
const width = (values: readonly number[]): number => {
  const { low, high } = slopeOf(values.map((y, x) => ({ x, y })))!
  const spread = Math.sqrt(values.reduce((sum, y) => sum + y * y, 0))
  return (high - low) / spread
}

t.test('neighbours that resemble each other make it less sure', async (t) => {
  const random = createRandom(1)
  const noise = Array.from({ length: 200 }, () => random() - 0.5)
  const slow = noise.map((_, i) => Math.sin(i / 15))
  t.ok(width(slow) > 3 * width(noise))
})

const rowsOf = (memory: (at: number) => number, seconds = 120) =>
  Array.from({ length: seconds }, (_, at) => ({
    at,
    resident: memory(at),
    heap: at % 5 === 0 ? memory(at) / 4 : undefined,
    descriptors: 40,
    sockets: 20,
    requests: 200,
    p50: 5,
    p99: 20,
  }))

const CLEAN: SoakRecord = {
  date: '2026-01-02',
  node: '24.0.0',
  seed: 1,
  minutes: 2,
  callers: 10,
  rows: rowsOf((at) => 100 + (at % 7)),
  faults: [{ name: 'API hangs', from: 10, to: 13 }],
  requests: 24_000,
  writes: 8_000,
  applied: 7_900,
  outcomes: [['read: ok', 16_000]],
  breachCounts: [],
  breaches: [],
  rotations: 2,
  reloads: 2,
  tokenRequests: 10,
  stuck: [],
  descriptors: { before: 22, after: 24 },
  longestStop: 12,
  scrapes: { count: 48, worst: 9, faults: [], promtool: 'used', python: 'missing', cost: 2 },
  log: { lines: 24_000, levels: [['info', 24_000]], alarms: [], leaks: [] },
  death: undefined,
}

const failed = (changes: Partial<SoakRecord>): readonly string[] =>
  judge({ ...CLEAN, ...changes })
    .filter(({ ok }) => ok === false)
    .map(({ name }) => name)

t.test('a clean run passes', async (t) => {
  t.same(failed({}), [])
  t.ok(isPassed(judge(CLEAN)))
})

const leaking = (perMinute: number) => rowsOf((at) => 100 + (at % 7) + (at / 60) * perMinute)

const growing = (name: 'descriptors' | 'sockets') =>
  CLEAN.rows.map((row) => Object.assign({}, row, { [name]: 40 + row.at / 10 }))

t.test('each thing that it is for makes it fail', async (t) => {
  const { scrapes, log } = CLEAN
  const cases: readonly [Partial<SoakRecord>, readonly string[]][] = [
    [{ breachCounts: [['lost write', 1]] }, ['lost write']],
    [{ breachCounts: [['duplicate write', 2]] }, ['duplicate write']],
    [{ breachCounts: [['unexpected status', 1]] }, ['unexpected status']],
    [{ rows: leaking(20) }, ['resident memory']],
    [{ rows: leaking(60) }, ['resident memory', 'heap in use']],
    [{ rows: growing('descriptors') }, ['file descriptors']],
    [{ rows: growing('sockets') }, ['sockets']],
    [{ descriptors: { before: 22, after: 28 } }, ['descriptors after the load']],
    [{ reloads: 1 }, ['rotations taken over']],
    [{ stuck: ['token server down'] }, ['outages without recovery']],
    [{ log: { ...log, leaks: [7] } }, ['secrets or tokens in the log']],
    [{ log: { ...log, alarms: ['x'] } }, ['fatal lines, unhandled rejections']],
    [{ death: 'did not stop in time' }, ['end of the process']],
    [{ scrapes: { ...scrapes, faults: ['x'] } }, ['faults in scrapes']],
    [{ longestStop: 101 }, ['longest stop of the event loop']],
    [{ scrapes: { ...scrapes, cost: 50 } }, ['CPU of a scrape every 5 s']],
  ]
  for (const [changes, names] of cases) t.same(failed(changes), names)
})

t.test('what grows at first and then no more is no leak; a long run allows less', async (t) => {
  t.same(failed({ rows: rowsOf((at) => 160 - 60 * Math.exp(-at / 10)) }), [])
  const long = { rows: rowsOf((at) => 100 + (at % 7) + at / 60, 1_800) }
  t.ok(memoryLimit(long) < 0.7)
  t.same(failed(long), ['resident memory'], '1 MB a minute')
})

t.test('what cannot be measured is said, and fails nothing', async (t) => {
  const rows = CLEAN.rows.map(({ at, requests }) => ({ at, requests }))
  const scrapes = { ...CLEAN.scrapes, cost: undefined }
  const bare = { ...CLEAN, rows, scrapes, descriptors: { before: undefined, after: undefined } }
  const findings = judge(bare)
  t.ok(isPassed(findings))
  t.equal(findings.filter(({ ok }) => ok === undefined).length, 6)
  t.match(table(findings), /heap in use +not measured .* n\/a\n/)
  t.equal(trendOf(bare, 'resident'), undefined)
  t.match(chart(bare), /<\/svg>\n$/)
})

const READ: Call = {
  id: 's1',
  action: 'read',
  method: 'GET',
  startedAt: 1000,
  endedAt: 1010,
  status: 200,
  echoed: 's1',
}
const WRITE: Call = { ...READ, action: 'write', method: 'POST', status: 201 }
const SEEN: Arrival = {
  id: 's1',
  at: 1005,
  token: 'good',
  presented: 'token-1',
  isWrite: false,
  applied: false,
  wasReset: false,
}
const DONE: Arrival = { ...SEEN, isWrite: true, applied: true }

const kinds = (
  call: Call,
  arrivals: readonly Arrival[],
  fault: Pick<Fault, 'all' | 'writes'> = {},
  hadToken = true,
): readonly string[] =>
  judgeCall(call, arrivals, {
    stretches: () => [{ name: '', allows: allowanceOf(fault), startedAt: 0, endedAt: 5000 }],
    hadToken: () => hadToken,
  }).map(({ kind }) => kind)

const fault = (name: string): Fault => FAULTS.find((each) => each.name === name)!

t.test('every request is judged from both ends', async (t) => {
  const refused = { status: 503, code: 'token_refreshed_retry' }
  const reset = { status: 502, code: 'upstream_reset' }
  const unavailable = { status: 503, code: 'token_unavailable' }
  const down = fault('token server down')
  t.same(kinds(READ, [SEEN]), [])
  t.same(kinds(WRITE, [DONE]), [])
  t.same(kinds(WRITE, []), ['lost write'])
  t.same(kinds(WRITE, [DONE, DONE]), ['duplicate write', 'write sent twice'])
  t.same(kinds(WRITE, [DONE, SEEN]), ['write sent twice'])
  t.same(kinds({ ...WRITE, ...refused }, [DONE], fault('API revokes tokens')), [
    'refused but applied',
  ])
  t.same(kinds({ ...WRITE, ...refused }, [SEEN], fault('API revokes tokens')), [])
  t.same(kinds({ ...WRITE, ...refused }, [SEEN]), ['unexpected status'])
  t.same(kinds({ ...WRITE, ...reset }, [DONE], fault('API resets')), [])
  t.same(kinds({ ...READ, ...reset }, [SEEN], fault('API resets')), ['unexpected status'])
  t.same(kinds({ ...READ, ...unavailable }, [], down, false), [])
  t.same(kinds({ ...READ, ...unavailable }, [], down, true), ['unexpected status'])
  t.same(kinds({ ...READ, status: 500 }, [SEEN]), ['unexpected status'])
  t.same(kinds({ ...READ, status: 500 }, [SEEN], fault('API answers 5xx')), [])
  t.same(kinds({ ...READ, status: undefined, problem: 'gone' }, []), ['unexpected status'])
  t.same(kinds(READ, [SEEN, SEEN, SEEN]), ['too many replays'])
  t.same(kinds(READ, [{ ...SEEN, token: 'expired' }]), ['bad token'])
  t.same(kinds({ ...READ, fault: 'other bytes' }, [SEEN]), ['wrong answer'])
  t.same(kinds({ ...READ, echoed: 's2' }, [SEEN]), ['wrong answer'])
  const removal: Call = { ...WRITE, method: 'DELETE' }
  t.same(kinds(removal, [{ ...DONE, wasReset: true }, DONE]), [], 'sent again after a reset')
  t.same(kinds(removal, [DONE, DONE]), ['duplicate write'])
  const departure: Call = { ...WRITE, action: 'departure', status: undefined }
  t.same(kinds(departure, []), [], 'a caller that has left was told nothing')
  t.same(kinds(departure, [DONE, DONE]), ['duplicate write', 'write sent twice'])
})

t.test('the ledger waits for what is still under way, and forgets what is settled', async (t) => {
  const ledger = new Ledger({ stretches: () => [], hadToken: () => true })
  ledger.begin('s1')
  ledger.arrive(DONE)
  ledger.end({ ...WRITE })
  ledger.settle(10_000)
  ledger.arrive(DONE)
  ledger.settle(Infinity)
  t.same([...ledger.counts.keys()], ['duplicate write', 'write sent twice'])
  ledger.arrive(DONE)
  t.equal(ledger.counts.get('unknown request'), 1)
  t.same([...ledger.outcomes], [['write: ok', 1]])
})

t.test('the log is searched across chunks, and for what is none of its lines', async (t) => {
  const watch = new LogWatch(() => ['s3cret'])
  watch.add('{"level":"info","msg":"a"}\n{"level":"warn","msg":"s3')
  watch.add('cret"}\n(node:1) MaxListenersExceededWarning\n')
  watch.add('{"level":"fatal","msg":"x"}\n{"level":"error","msg":"unhandledRejection"}')
  watch.finish()
  t.same(watch.leaks, [2])
  t.equal(watch.alarms.length, 3)
  t.equal(watch.lines, 5)
  t.equal(watch.levels.get('warn'), 1)
})

const whole = Buffer.concat([...bodyPieces(200_000)])

const isTaken = (...chunks: Buffer[]): boolean => {
  const check = new BodyCheck()
  for (const chunk of chunks) check.take(chunk)
  return check.isWhole(200_000)
}

t.test('large bodies are made and checked piece by piece', async (t) => {
  t.equal(whole.length, 200_000)
  t.ok(isTaken(whole.subarray(0, 70_001), whole.subarray(70_001)))
  t.notOk(isTaken(whole.subarray(0, 199_999)))
  t.notOk(isTaken(whole.subarray(65_536), whole.subarray(0, 65_536)))
})

const VALID = [
  '# HELP a_requests Requests: "all".',
  '# TYPE a_requests counter',
  'a_requests_total{method="GET",path="\\"x\\""} 3',
  '# TYPE b gauge',
  'b Nan',
  '# TYPE c histogram',
  'c_bucket{le="0.1",kind="x"} 1',
  'c_bucket{le="+Inf",kind="x"} 2',
  'c_sum{kind="x"} 0.5',
  'c_count{kind="x"} 2',
]

const faults = (...lines: string[]) => openMetricsFaults(`${lines.join('\n')}\n# EOF\n`)

t.test('OpenMetrics', async (t) => {
  const changed = (from: string, to: string) => faults(...VALID.map((l) => l.replace(from, to)))
  t.same(faults(...VALID), [])
  t.same(openMetricsFaults(VALID.join('\n')), ['it does not end with # EOF'])
  t.match(changed('a_requests_total', 'a_requests'), [/not of the family/])
  t.match(changed(' counter', ' kounter'), [/no such type/])
  t.match(changed('} 3', '} -3'), [/below zero/])
  t.match(changed('} 3', '} three'), [/no number/])
  t.match(changed('{le="0.1",kind="x"} 1', '{le="0.1",kind="x"} 3'), [/buckets fall/])
  t.match(changed('c_count{kind="x"} 2', 'c_count{kind="x"} 3'), [/\+Inf is not the count/])
  t.match(changed('b Nan', '# TYPE a_requests counter'), [/not together/])
  t.match(changed('b Nan', 'b{x} 1'), [/no line of this format/])
  t.match(faults(...VALID, 'c_sum{kind="x"} 0.5'), [/twice/])
  t.match(faults('# TYPE a_total counter'), [/a counter's family/])
  t.match(faults('# TYPE b gauge', 'b 1', '# HELP b late'), [/after its samples/])
  t.equal(valueIn('a 1\nab 2', 'ab'), 2)
  t.equal(valueIn('a 1', 'b'), undefined)
})

t.test('table, page and picture show what was found', async (t) => {
  const breach = { kind: 'lost write', at: 1, detail: 'write POST s9: 201 in 4 ms' } as const
  const record = { ...CLEAN, breachCounts: [['lost write', 1] as const], breaches: [breach] }
  const findings = judge(record)
  t.match(table(findings), /\nlost write +1 +0 +FAILED\n/)
  t.match(particulars(record), 'a caller was told that a write took effect')
  t.match(markdown(record, findings), '| lost write | 1 | 0 | FAILED |')
  const svg = chart(record)
  t.match(svg, 'prefers-color-scheme: dark')
  t.equal(svg.match(/<polyline /g)?.length, 6)
  t.equal(svg.match(/class="fault"/g)?.length, 3)
  t.notMatch(svg, /NaN|undefined/)
})

t.test(
  'a process is looked at',
  { skip: process.platform !== 'linux' && 'no /proc' },
  async (t) => {
    const { resident, descriptors, sockets } = sampleProcess(process.pid)!
    t.ok(resident > 10 && resident < 4000)
    t.ok(descriptors > 2 && sockets <= descriptors)
    t.equal(sampleProcess(2 ** 30), undefined)
  },
)
