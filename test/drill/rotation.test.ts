import t from 'tap'
import { judgeRotation, rotationTable, type RotationRecord } from './rotation.ts'

const call = (id: string, fields: object = {}) => ({
  id,
  action: 'read',
  method: 'GET',
  startedAt: 10,
  endedAt: 20,
  status: 200,
  echoed: id,
  ...fields,
})

const FINE: RotationRecord = {
  type: 'secret',
  steps: [{ name: 'overlap', startedAt: 0 }],
  calls: [
    call('r1'),
    call('w2', { method: 'POST', status: 503, code: 'token_refreshed_retry', echoed: undefined }),
  ] as RotationRecord['calls'],
  writes: new Map([['w3', 1]]),
  naked: 0,
  asked: 2,
  log: 'quiet',
  secrets: ['a-secret-of-some-length'],
  death: undefined,
}

t.test('a rotation that nobody notices has no breaches', async (t) => {
  t.same(judgeRotation(FINE), [])
  t.match(
    rotationTable(FINE),
    /overlap +1 x +2 requests, 1 answered, 1 writes sent back, worst 10 ms/,
  )
})

t.test('what callers must not see is told', async (t) => {
  const breaches: readonly [Partial<RotationRecord>, RegExp][] = [
    [
      { calls: [call('r1', { status: 502, code: 'credential_rejected' })] as never },
      /failed: read GET r1/,
    ],
    [
      { calls: [call('r1', { status: 503, code: 'token_refreshed_retry' })] as never },
      /failed: read GET/,
    ],
    [{ calls: [call('r1', { status: undefined, problem: 'reset' })] as never }, /r1: reset/],
    [{ calls: [call('r1', { echoed: 'r2' })] as never }, /wrong answer: read GET r1/],
    [{ calls: [call('r1', { fault: 'another body' })] as never }, /GET r1: 200 .*another body/],
    [{ writes: new Map([['w3', 2]]) }, /written 2 times: w3/],
    [{ naked: 1 }, /1 requests reached the API without a token/],
    [{ log: 'so: a-secret-of-some-len' }, /a secret is in the log/],
    [{ death: 'stopped with 1' }, /the proxy stopped with 1/],
  ]
  for (const [fault, pattern] of breaches) {
    const [breach, ...others] = judgeRotation({ ...FINE, ...fault })
    t.match(breach, pattern)
    t.same(others, [])
  }
})
