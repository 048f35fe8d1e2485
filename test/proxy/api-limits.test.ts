import t from 'tap'
import type { ServerResponse } from 'node:http'
import { ApiLimits } from '../../src/proxy/api-limits.ts'
import { systemCode } from '../../src/errors.ts'
import { call } from '../fixtures/http-client.ts'
import { ManualClock } from '../fixtures/manual-clock.ts'
import { startProxy } from '../fixtures/proxy.ts'
import { startStreamingServer } from '../fixtures/recording-server.ts'

const LIMITS = { responseTimeout: 60_000, idleTimeout: 120_000 }

const start = () => {
  const clock = new ManualClock()
  const limits = new ApiLimits(clock, LIMITS)
  const codes: string[] = []
  const response = { writableNeedDrain: false }
  const begin = () =>
    limits.begin(response as ServerResponse, {
      abort: (reason) => void codes.push(systemCode(reason)),
    })
  return { clock, begin, codes, response }
}

t.test('an API that does not answer is given up after SKP_RESPONSE_TIMEOUT', async (t) => {
  const { clock, begin, codes } = start()
  begin()
  await clock.advance(60_000)
  t.same(codes, [])
  await clock.advance(2_000)
  t.same(codes, ['UND_ERR_HEADERS_TIMEOUT'])
  await clock.advance(600_000)
  t.equal(codes.length, 1, 'once')
})

t.test('an interim answer begins it anew', async (t) => {
  const { clock, begin, codes } = start()
  const wait = begin()
  await clock.advance(59_000)
  wait.arrived(false)
  await clock.advance(59_000)
  t.same(codes, [])
  await clock.advance(3_000)
  t.same(codes, ['UND_ERR_HEADERS_TIMEOUT'])
})

t.test('a body without a byte is given up after SKP_IDLE_TIMEOUT', async (t) => {
  const { clock, begin, codes } = start()
  const wait = begin()
  wait.arrived(true)
  await clock.advance(119_000)
  wait.arrived(true)
  await clock.advance(119_000)
  t.same(codes, [])
  await clock.advance(3_000)
  t.same(codes, ['UND_ERR_BODY_TIMEOUT'])
})

t.test('while the caller does not take what has arrived, the API has time', async (t) => {
  const { clock, begin, codes, response } = start()
  begin().arrived(true)
  response.writableNeedDrain = true
  await clock.advance(600_000)
  t.same(codes, [])
  response.writableNeedDrain = false
  await clock.advance(122_000)
  t.same(codes, ['UND_ERR_BODY_TIMEOUT'])
})

t.test('a wait that has ended is over, and harms none that takes its place', async (t) => {
  const { clock, begin, codes } = start()
  const ended = begin()
  ended.end()
  const other = begin()
  t.equal(other.place, ended.place)
  ended.end()
  await clock.advance(62_000)
  t.same(codes, ['UND_ERR_HEADERS_TIMEOUT'], 'of the other')
})

t.test('a clock that nobody needs stands still', async (t) => {
  const { clock, begin } = start()
  t.equal(clock.pending, 0)
  const waits = [begin(), begin()]
  t.equal(clock.pending, 1, 'one for all')
  for (const wait of waits) wait.end()
  await clock.advance(1_000)
  t.equal(clock.pending, 0)
})

t.test('a body that comes slowly, but comes, is passed on whole', async (t) => {
  const api = await startStreamingServer(t, (_request, response) => {
    let sent = 0
    const timer = setInterval(() => {
      sent += 1
      response.write('x')
      if (sent === 12) response.end()
    }, 50)
    response.once('close', () => clearInterval(timer))
  })
  const settings = { SKP_IDLE_TIMEOUT: '300ms', SKP_RESPONSE_TIMEOUT: '300ms' }
  const { port } = await startProxy(t, { api: api.url, settings })
  t.equal((await call(port)).body.toString(), 'x'.repeat(12))
})
