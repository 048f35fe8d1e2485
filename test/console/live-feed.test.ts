/** What is kept while somebody looks, and for how long. */
import t from 'tap'
import { EventEmitter } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { statusOf, type ConsoleViews } from '../../src/console/console-status.ts'
import { Console } from '../../src/console/console.ts'
import { LiveFeed } from '../../src/console/live-feed.ts'
import { RequestRecorder, RequestWatch } from '../../src/console/request-recorder.ts'
import { openRequestContext, type RequestContext } from '../../src/proxy/request-context.ts'
import { noTracing } from '../../src/tracing/tracing.ts'
import { ManualClock } from '../fixtures/manual-clock.ts'

const arrival = (url: string, method = 'GET'): IncomingMessage =>
  ({ url, method, headers: { 'x-correlation-id': 'c-1' } }) as unknown as IncomingMessage

const contextOf = (url: string, changes: Partial<RequestContext> = {}): RequestContext => ({
  ...openRequestContext(arrival(url), 0, noTracing.open),
  ...changes,
})

const record = (recorder: RequestRecorder, url: string, durationMs = 1, status = 200): void =>
  recorder.record(arrival(url), status, contextOf(url), durationMs, 5)

t.test('a request is shown without its query, or what may hold a password', async (t) => {
  const recorder = new RequestRecorder()
  for (const url of [
    "/Vendor?$filter=Name eq 'canary'",
    '/Vendor#canary',
    'http://user:canary@host/Vendor',
    `/${'x'.repeat(500)}`,
  ]) {
    record(recorder, url)
  }
  const paths = recorder.since(0).map(({ path }) => path)
  t.same(paths.slice(0, 3), ['/Vendor', '/Vendor', '(no path)'])
  t.equal(paths[3]?.length, 200)
})

t.test('times, token, origin and id of a request are kept', async (t) => {
  const recorder = new RequestRecorder()
  const request = arrival('/Vendor', 'PATCH')
  const sent = contextOf('/Vendor', { sentAt: 10, respondedAt: 32.26, token: 'waited' })
  recorder.record(request, 204, sent, 40.04, 7)
  const failed = contextOf('/Vendor', { failure: 'token_unavailable', sentAt: 10 })
  recorder.record(request, 503, failed, 1, 8)
  recorder.record(request, undefined, contextOf('/'), 1, 9)
  t.match(recorder.since(0), [
    {
      id: 1,
      at: 7,
      method: 'PATCH',
      status: 204,
      origin: 'api',
      totalMs: 40,
      apiMs: 22.3,
      token: 'waited',
      code: null,
      correlationId: 'c-1',
    },
    { status: 503, origin: 'token-server', code: 'token_unavailable', apiMs: null },
    { status: null, origin: 'caller', token: null },
  ])
})

t.test('no more than the last 100 requests are kept', async (t) => {
  const recorder = new RequestRecorder()
  for (let index = 1; index <= 250; index += 1) record(recorder, `/${index}`)
  const kept = recorder.since(0)
  t.equal(kept.length, 100)
  t.match(kept[0], { id: 151, path: '/151' })
  t.same(
    recorder.since(248).map(({ id }) => id),
    [249, 250],
  )
})

t.test('percentiles are those of the second, by nearest rank', async (t) => {
  const recorder = new RequestRecorder()
  t.same(recorder.takeSecond(), { finished: 0, p50: null, p95: null, p99: null })
  for (let ms = 100; ms >= 1; ms -= 1) record(recorder, '/', ms)
  t.same(recorder.takeSecond(), { finished: 100, p50: 50, p95: 95, p99: 99 })
  record(recorder, '/', 7.77)
  t.same(recorder.takeSecond(), { finished: 1, p50: 7.8, p95: 7.8, p99: 7.8 })
  for (let index = 0; index < 5_000; index += 1) record(recorder, '/', index < 904 ? 900 : 2)
  t.same(recorder.takeSecond(), { finished: 5_000, p50: 2, p95: 2, p99: 2 })
})

t.test('failures are counted by code, also while nobody looks', async (t) => {
  const watch = new RequestWatch()
  const fail = (failure: 'not_allowed' | 'stopping', at: number): void =>
    watch.done(arrival('/'), 503, contextOf('/', { failure }), 1, at)
  fail('not_allowed', 1)
  fail('stopping', 2)
  t.same(
    watch.problems().map(({ code }) => code),
    ['stopping', 'not_allowed'],
  )
  fail('not_allowed', 3)
  watch.done(arrival('/'), 200, contextOf('/'), 1, 4)
  t.same(watch.problems(), [
    { code: 'not_allowed', count: 2, lastAt: 3 },
    { code: 'stopping', count: 1, lastAt: 2 },
  ])
})

class Listener extends EventEmitter {
  readonly events: string[] = []
  writableLength = 0
  write(text: string): boolean {
    this.events.push(text)
    return true
  }
  end(): void {
    this.emit('close')
  }
  destroy(): void {
    this.emit('close')
  }
  /** What the last event says. */
  get last() {
    return JSON.parse(this.events.at(-1)?.split('data: ')[1] ?? '') as {
      readonly samples: readonly unknown[]
      readonly requests: readonly { readonly path: string }[]
    }
  }
}

const redact = (text: string): string => text.replaceAll('a-secret', '[redacted]')

const openFeed = () => {
  const clock = new ManualClock()
  const watch = new RequestWatch()
  const views: ConsoleViews = {
    program: 'service-key-proxy/test',
    settings: () => [{ name: 'SKP_A', value: 'a-secret', isDefault: true }],
    keys: () => [],
    readiness: () => ({ ready: true, reasons: [] }),
    phase: () => 'running',
    inFlight: () => 0,
    answers: () => [
      { method: 'GET', status: '200', origin: 'api', count: 2 },
      { method: 'PUT', status: '404', origin: 'api', count: 9 },
      { method: 'PUT', status: '200', origin: 'api', count: 3 },
    ],
  }
  const feed = new LiveFeed({ views, watch, clock, redact })
  const join = (): Listener => {
    const listener = new Listener()
    feed.add(listener as unknown as ServerResponse)
    return listener
  }
  const pass = (url: string): void => watch.done(arrival(url), 200, contextOf(url), 1, 1)
  return { clock, watch, feed, join, pass, views }
}

t.test('nothing is kept and no timer runs while nobody looks', async (t) => {
  const { clock, watch, join, pass } = openFeed()
  pass('/before')
  t.equal(watch.recorder, undefined)
  t.equal(clock.pending, 0)
  const first = join()
  const second = join()
  pass('/seen')
  await clock.advance(1_000)
  t.same(
    first.last.requests.map(({ path }) => path),
    ['/seen'],
  )
  t.equal(clock.pending, 1, 'one sampler for both')
  first.end()
  t.ok(watch.recorder)
  second.end()
  t.equal(watch.recorder, undefined)
  t.equal(clock.pending, 0)
  t.same(join().last, { ...join().last, samples: [], requests: [] }, 'nothing of before')
})

t.test('each request is told once, and whoever comes later gets what there is', async (t) => {
  const { clock, join, pass } = openFeed()
  const early = join()
  pass('/1')
  await clock.advance(1_000)
  pass('/2')
  await clock.advance(1_000)
  t.match(early.last, { requests: [{ path: '/2' }], samples: { length: 1 } })
  await clock.advance(1_000)
  t.match(early.last.requests, { length: 0 })
  const late = join()
  t.match(late.last, { requests: [{ path: '/1' }, { path: '/2' }], samples: { length: 3 } })
  await clock.advance(400_000)
  t.equal(join().last.samples.length, 300, 'five minutes of history')
})

t.test('answers are added up over methods, and known secrets are cut out', async (t) => {
  const { join } = openFeed()
  const listener = join()
  t.match(listener.last, {
    answers: [
      { status: '404', count: 9 },
      { status: '200', count: 5 },
    ],
  })
  t.match(listener.events[0], /^event: hello\ndata: .*\[redacted\].*\n\n$/)
})

t.test('why there is no token, and why a new key is refused, is told in words', async (t) => {
  const reason = 'answered 503'
  const view = {
    origin: 'a test',
    watched: true,
    tokenHost: 'auth.example',
    routes: [],
    credential: { ageSeconds: 1, expiresInSeconds: undefined },
    timeline: { token: undefined, renewalIn: 5 },
    state: {
      name: 'intas',
      refused: 'it yields no token',
      token: {
        freshness: 'none' as const,
        secondsLeft: 0,
        idle: false,
        waiters: 3,
        lastOutcome: { kind: 'transient' as const, reason },
      },
    },
  }
  const { keys } = statusOf({ ...openFeed().views, keys: () => [view] }, [])
  t.match(keys, [
    { name: 'intas', refused: 'it yields no token', token: { outcome: 'transient', reason } },
  ])
})

t.test('a listener that does not read is let go, the others stay', async (t) => {
  const { clock, join } = openFeed()
  const slow = join()
  const quick = join()
  slow.writableLength = 2_000_000
  const told = slow.events.length
  await clock.advance(2_000)
  t.equal(slow.events.length, told)
  t.equal(quick.events.length, 4)
})

t.test('ten may listen', async (t) => {
  const { feed, join } = openFeed()
  const listeners = Array.from({ length: 10 }, join)
  t.ok(feed.isFull)
  listeners[0]?.end()
  t.notOk(feed.isFull)
  feed.close()
  t.equal(listeners[9]?.listenerCount('close'), 0)
})

t.test(
  'a console can be closed before anybody looked, and answers nothing after that',
  async (t) => {
    const console = new Console({} as never)
    t.doesNotThrow(() => console.close())
    for (const path of ['/', '/console/events']) {
      t.equal(await console.answer(path, {} as never), false)
    }
  },
)
