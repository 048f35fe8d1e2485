import t, { type Test } from 'tap'
import type { AccessToken } from '../../src/token/access-token.ts'
import { CachedTokenSource } from '../../src/token/cached-token-source.ts'
import type { GrantOutcome } from '../../src/token/token-source.ts'
import { ManualClock, settle } from '../fixtures/manual-clock.ts'
import { ScriptedGrant } from '../fixtures/scripted-grant.ts'

const create = (t: Test) => {
  const clock = new ManualClock()
  const grant = new ScriptedGrant(clock)
  const outcomes: GrantOutcome[] = []
  const source = new CachedTokenSource({
    credential: { grant, cacheKey: 'key' },
    clock,
    random: () => 0.5,
    waitLimit: 8_000,
    onOutcome: (outcome) => outcomes.push(outcome),
  })
  t.teardown(() => source.stop())
  return { clock, grant, source, outcomes }
}

/** A source that holds a token of `seconds` lifetime, requested just now. */
const createWithToken = async (t: Test, seconds: number) => {
  const parts = create(t)
  parts.source.start()
  await settle()
  parts.grant.grant(seconds)
  await settle()
  return parts
}

t.test('fetches before anybody asks', async (t) => {
  const { source, outcomes } = await createWithToken(t, 300)
  t.equal(source.peek()?.authorization, 'Bearer token-1')
  t.match(outcomes, [{ ok: true }])
})

t.test('tells its state in numbers', async (t) => {
  const { clock, grant, source } = create(t)
  const nothing = { freshness: 'none', secondsLeft: 0, idle: false, waiters: 0 }
  t.strictSame(source.state(), { ...nothing, lastOutcome: { kind: 'none' } })
  void source.acquire()
  await settle()
  t.equal(source.state().waiters, 1)
  grant.grant(300)
  await settle()
  const lastOutcome = { kind: 'granted' }
  const granted = { ...nothing, freshness: 'fresh', secondsLeft: 300, lastOutcome }
  t.strictSame(source.state(), granted)
  await clock.advance(100_001)
  t.strictSame(source.state(), { ...granted, secondsLeft: 199 }, 'whole seconds that are left')
  await clock.advance(300_000)
  t.match(source.state(), { freshness: 'expired', secondsLeft: 0 })
})

t.test('tells where in its life the token is, and when the next one is asked for', async (t) => {
  const { clock, grant, source } = create(t)
  t.strictSame(source.timeline(), { token: undefined, renewalIn: undefined })
  void source.acquire()
  await settle()
  grant.grant(300)
  await settle()
  const token = { age: 0, softAge: 150_000, hardAge: 270_000, lifetime: 300_000 }
  t.strictSame(source.timeline(), { token, renewalIn: 150_000 })
  await clock.advance(100_000)
  t.strictSame(source.timeline(), { token: { ...token, age: 100_000 }, renewalIn: 50_000 })
  t.notMatch(JSON.stringify(source.timeline()), 'token-1', 'never its value')
  await clock.advance(50_000)
  t.equal(source.timeline().renewalIn, undefined, 'under way')
  source.stop()
  t.equal(source.timeline().renewalIn, undefined)
})

t.test('serves 200 cold callers with one fetch', async (t) => {
  const { source, grant } = create(t)
  const callers = Array.from({ length: 200 }, () => source.acquire())
  await settle()
  t.equal(source.state().waiters, 200)
  grant.grant(300)
  const outcomes = await Promise.all(callers)
  t.ok(outcomes.every((outcome) => outcome.ok && outcome.token.value === 'token-1'))
  t.equal(grant.requests, 1)
  t.equal(source.state().waiters, 0)
})

t.test('serves a soft token at once and renews it in the background', async (t) => {
  const { clock, grant, source } = await createWithToken(t, 300)
  await clock.advance(149_999)
  t.equal(grant.requests, 1, 'fresh until half-life')
  await clock.advance(1)
  t.equal(grant.requests, 2, 'the timer starts the renewal')
  t.equal(source.peek()?.value, 'token-1', 'no caller waits for it')
  t.equal(source.state().freshness, 'soft')
  grant.grant(300)
  await settle()
  t.equal(source.peek()?.value, 'token-2')
  t.equal(source.state().freshness, 'fresh')
})

t.test('checks on each request as well, because timers can be late', async (t) => {
  const { clock, grant, source } = await createWithToken(t, 300)
  clock.jumpWall(200_000)
  t.equal(source.peek()?.value, 'token-1')
  await settle()
  t.equal(grant.requests, 2)
})

t.test('lets callers wait for the one shared renewal once a token is hard', async (t) => {
  const { clock, grant, source } = await createWithToken(t, 300)
  await clock.advance(270_000)
  t.equal(source.peek(), undefined)
  const callers = [source.acquire(), source.acquire()]
  await settle()
  grant.grant(300)
  t.match(await Promise.all(callers), [
    { token: { value: 'token-2' } },
    { token: { value: 'token-2' } },
  ])
  t.equal(grant.mostAtOnce, 1)
})

t.test('a token that has not expired is never withheld', async (t) => {
  const acquired = { ok: true, token: { value: 'token-1' } } as const

  t.test('when its renewal fails, or is refused a try', async (t) => {
    const { clock, grant, source } = await createWithToken(t, 300)
    grant.fail({ kind: 'rejected' }, { always: true })
    await clock.advance(270_000)
    t.equal(source.peek(), undefined)
    for (let second = 270; second < 300; second += 1) {
      t.match(await source.acquire(), acquired, `at ${second} s`)
      await clock.advance(1_000)
    }
    t.match(await source.acquire(), { failure: { code: 'credential_rejected' } }, 'but no longer')
  })

  t.test('when nobody answers: callers wait up to its last second', async (t) => {
    const { clock, source } = await createWithToken(t, 300)
    await clock.advance(270_000)
    const early = source.acquire()
    await clock.advance(8_000)
    t.match(await early, acquired, 'for as long as any other')
    await clock.advance(16_000)
    const late = source.acquire()
    await clock.advance(4_999)
    t.equal(source.state().waiters, 1)
    await clock.advance(1)
    t.match(await late, acquired)
    await clock.advance(999)
    const last = source.acquire()
    await Promise.resolve()
    clock.jumpWall(1)
    t.match(await last, acquired, 'at once, for it may be the last moment')
  })

  t.test('when too many wait already', async (t) => {
    const { clock, source } = await createWithToken(t, 300)
    await clock.advance(270_000)
    for (let caller = 0; caller < 1_000; caller += 1) void source.acquire()
    t.match(await source.acquire(), acquired)
  })
})

t.test('never sends an expired token after the machine slept', async (t) => {
  const { clock, grant, source } = await createWithToken(t, 300)
  clock.jumpWall(3_600_000)
  t.equal(source.state().freshness, 'expired')
  t.equal(source.peek(), undefined)
  await settle()
  grant.grant(300)
  await settle()
  t.equal(source.peek()?.value, 'token-2')
})

t.test('a token is expired from the end of its life on, and not before', async (t) => {
  const { clock, source } = await createWithToken(t, 300)
  const token = source.peek() as AccessToken
  clock.jumpWall(299_999)
  t.equal(source.state().freshness, 'hard')
  t.equal(source.isExpired(token), false)
  clock.jumpWall(1)
  t.equal(source.isExpired(token), true)
})

t.test('a wall clock set back neither keeps a token alive nor loops', async (t) => {
  const { clock, grant, source } = await createWithToken(t, 300)
  clock.jumpWall(-3_600_000)
  await clock.advance(270_000)
  t.equal(source.peek(), undefined, 'the monotonic clock still counts')
  t.equal(grant.requests, 2)
})

t.test('keeps a minimum gap between fetches at any lifetime', async (t) => {
  const { clock, grant, source } = create(t)
  source.start()
  await settle()
  grant.grant(1, { always: true })
  for (let step = 0; step < 100; step += 1) {
    source.peek()
    void source.acquire()
    await clock.advance(100)
  }
  t.ok(grant.requests <= 11, `${grant.requests} fetches in 10 s`)
})

t.test('renews short tokens no faster than every 5 s in the background', async (t) => {
  const { clock, grant, source } = create(t)
  grant.spread = 0
  source.start()
  await settle()
  grant.grant(10.5)
  await clock.advance(4_999)
  t.equal(source.state().freshness, 'soft')
  t.equal(grant.requests, 1)
  await clock.advance(1)
  t.equal(grant.requests, 2)
})

t.test('a failing token server', async (t) => {
  t.test('does not matter while a token lasts', async (t) => {
    const { clock, grant, source } = await createWithToken(t, 300)
    grant.fail({}, { always: true })
    for (let second = 0; second < 269; second += 1) {
      await clock.advance(1_000)
      t.equal(source.peek()?.value, 'token-1')
    }
    t.ok(grant.requests > 3, 'it is tried again and again')
    t.match(source.state().lastOutcome, { kind: 'transient', reason: 'answered 503' })
  })

  t.test('is tried again although nobody asks for anything', async (t) => {
    const { clock, grant, source } = await createWithToken(t, 300)
    grant.fail({}, { always: true })
    await clock.advance(3_600_000)
    t.ok(grant.requests > 60, `${grant.requests} tries`)
    t.equal(source.state().idle, false, 'what has failed is not idle')
  })

  t.test('costs one timer, not one per request', async (t) => {
    const { clock, grant, source } = await createWithToken(t, 300)
    grant.fail({ kind: 'rejected' }, { always: true })
    await clock.advance(150_000)
    const schedule = t.capture(clock, 'schedule', clock.schedule.bind(clock))
    for (let request = 0; request < 100; request += 1) source.peek()
    t.equal(schedule().length, 0)
    t.equal(clock.pending, 1)
  })

  t.test('is told to callers with the time of the next try', async (t) => {
    const { clock, grant, source } = create(t)
    grant.fail({}, { always: true })
    const failure = { code: 'token_unavailable', retryAfter: 1 }
    t.match(await source.acquire(), { ok: false, failure })
    t.match(await source.acquire(), { ok: false, failure }, 'at once, from memory')
    t.equal(grant.requests, 1)
    await clock.advance(1_000)
    t.equal(grant.requests, 2, 'the next try needs no caller')
  })

  t.test('is always tried again, and left alone as soon as it grants', async (t) => {
    const { clock, grant, source } = create(t)
    grant.fail({}, { always: true })
    source.start()
    await clock.advance(600_000)
    t.ok(grant.requests >= 20 && grant.requests <= 60, `${grant.requests} tries in ten minutes`)
    grant.grant(300, { always: true })
    await clock.advance(30_000)
    t.equal(source.state().freshness, 'fresh')
    t.strictSame(source.state().lastOutcome, { kind: 'granted' })
  })

  t.test('is asked again by a caller when the timer is late', async (t) => {
    const { clock, grant, source } = create(t)
    grant.fail({}, { always: true })
    await source.acquire()
    clock.jumpWall(60_000)
    t.match(await source.acquire(), { ok: false })
    t.equal(grant.requests, 2)
  })

  t.test('that rejects the credential is spared: 5 s, doubling to 60 s', async (t) => {
    const { clock, grant, source } = create(t)
    grant.fail({ kind: 'rejected', reason: 'answered 401' }, { always: true })
    t.match(await source.acquire(), { failure: { code: 'credential_rejected' } })
    const times: number[] = []
    for (let second = 1; second <= 200; second += 1) {
      const before = grant.requests
      await clock.advance(1_000)
      if (grant.requests > before) times.push(second)
    }
    t.same(times, [5, 15, 35, 75, 135, 195])
  })
})

t.test('a caller waits 8 s at most, and the fetch goes on without it', async (t) => {
  const { clock, grant, source } = create(t)
  const outcome = source.acquire()
  await clock.advance(8_000)
  t.match(await outcome, { ok: false, failure: { code: 'token_unavailable', retryAfter: 1 } })
  grant.grant(300)
  await settle()
  t.equal(source.peek()?.value, 'token-1')
})

t.test('a caller that leaves frees its place at once, and the fetch goes on', async (t) => {
  const { clock, grant, source } = create(t)
  const caller = new AbortController()
  const others = Array.from({ length: 999 }, () => source.acquire(caller.signal))
  const stays = source.acquire(new AbortController().signal)
  t.match(await source.acquire(), { failure: { code: 'overloaded' } })
  caller.abort()
  t.match(await Promise.all(others), { length: 999, 0: { ok: false } })
  t.equal(source.state().waiters, 1)
  t.equal(clock.pending, 1, 'nor is a timer left for it')
  grant.grant(300)
  t.match(await stays, { ok: true, token: { value: 'token-1' } })
  t.equal(grant.requests, 1)
})

t.test('a thousand callers wait, one more is told at once', async (t) => {
  const { grant, source } = create(t)
  const callers = Array.from({ length: 1_000 }, () => source.acquire())
  t.match(await source.acquire(), { ok: false, failure: { code: 'overloaded' } })
  await settle()
  grant.grant(300)
  t.ok((await Promise.all(callers)).every(({ ok }) => ok))
})

t.test('a token that is expired on arrival is not used', async (t) => {
  const { clock, grant, source } = create(t)
  const outcome = source.acquire()
  await settle()
  grant.grant(0)
  t.match(await outcome, { ok: false, failure: { code: 'token_unavailable' } })
  t.equal(source.state().freshness, 'expired')
  await clock.advance(0)
})

t.test('a token that is all but over on arrival still serves those who waited', async (t) => {
  const { clock, grant, source } = create(t)
  const outcome = source.acquire()
  await settle()
  grant.grant(4)
  clock.jumpWall(3_999)
  t.match(await outcome, { ok: true, token: { value: 'token-1' } })
  t.equal(source.state().freshness, 'hard')
})

t.test('is idle once nobody has asked for longer than a token lives', async (t) => {
  const { clock, source } = await createWithToken(t, 300)
  await clock.advance(300_000)
  t.equal(source.state().idle, false)
  await clock.advance(1)
  t.equal(source.state().idle, true)
})

t.test('stops renewing when nobody asks for a whole lifetime', async (t) => {
  const { clock, grant, source } = await createWithToken(t, 300)
  grant.grant(300, { always: true })
  await clock.advance(3_600_000)
  const { requests } = grant
  t.ok(requests <= 4, `${requests} fetches`)
  t.equal(source.state().idle, true)
  t.equal(source.peek(), undefined)
  t.match(await source.acquire(), { ok: true }, 'the next caller starts it again')
  t.equal(grant.requests, requests + 1)
  t.equal(source.state().idle, false)
})

t.test('asks about four times a day for tokens that live 12 hours', async (t) => {
  const { clock, grant, source } = create(t)
  source.start()
  await settle()
  grant.grant(43_200, { always: true })
  for (let minute = 0; minute < 24 * 60; minute += 1) {
    source.peek()
    await clock.advance(60_000)
  }
  t.ok(grant.requests >= 4 && grant.requests <= 5, `${grant.requests} fetches`)
})

t.test('leaves no timer once stopped', async (t) => {
  const { clock, source } = await createWithToken(t, 300)
  t.equal(clock.pending, 1, 'the renewal')
  source.stop()
  t.equal(clock.pending, 0)
})

t.test('does nothing any more once stopped', async (t) => {
  const { clock, grant, source, outcomes } = create(t)
  const outcome = source.acquire()
  await settle()
  source.stop()
  t.match(await outcome, { ok: false })
  grant.grant(300)
  source.start()
  t.equal(clock.pending, 0)
  await clock.advance(60_000)
  t.equal(grant.requests, 1)
  t.same(outcomes, [])
  t.equal(clock.pending, 0)
})
