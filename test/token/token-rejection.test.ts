import t from 'tap'
import { settle } from '../fixtures/manual-clock.ts'
import { createTokenScene as create, rejectAndRenew } from '../fixtures/token-scene.ts'

const HOUR = 3_600

t.test('a rejected token', async (t) => {
  t.test('is not handed out again, and callers wait for the next one', async (t) => {
    const { grant, source, inHand } = await create(t)
    t.equal(source.reject(inHand()), true)
    t.equal(source.peek(), undefined)
    t.match(source.state(), { freshness: 'none', secondsLeft: 0 })
    const waiting = source.acquire()
    await settle()
    grant.grant(HOUR)
    t.match(await waiting, { ok: true, token: { value: 'token-2' } })
    t.equal(inHand().value, 'token-2')
    t.equal(grant.requests, 2)
  })

  t.test('is renewed once for 20 who reject it at the same time', async (t) => {
    const { grant, source, inHand } = await create(t)
    const token = inHand()
    const verdicts = Array.from({ length: 20 }, () => source.reject(token))
    t.ok(verdicts.every(Boolean), 'another token is on its way for all of them')
    const waiting = verdicts.map(() => source.acquire())
    await settle()
    grant.grant(HOUR)
    const outcomes = await Promise.all(waiting)
    t.ok(outcomes.every((outcome) => outcome.ok && outcome.token.value === 'token-2'))
    t.equal(grant.requests, 2)
    t.equal(grant.mostAtOnce, 1)
  })

  t.test('is renewed although nobody waits for it', async (t) => {
    const { grant, source, inHand } = await create(t)
    source.reject(inHand())
    await settle()
    grant.grant(HOUR)
    await settle()
    t.equal(inHand().value, 'token-2')
  })

  t.test('shares a renewal that is under way', async (t) => {
    const { clock, grant, source, inHand } = await create(t, { seconds: 300 })
    await clock.advance(90_000)
    t.equal(grant.requests, 2, 'the soft point is reached')
    t.equal(source.reject(inHand()), true)
    const waiting = source.acquire()
    await settle()
    t.equal(grant.requests, 2)
    grant.grant(300)
    t.match(await waiting, { token: { value: 'token-2' } })
  })

  t.test('that is rejected once more after its renewal changes nothing', async (t) => {
    const { clock, grant, source, inHand } = await create(t)
    const token = inHand()
    source.reject(token)
    await settle()
    grant.grant(HOUR)
    await clock.advance(60_000)
    t.equal(source.reject(token), true, 'another one is there')
    await clock.advance(60_000)
    t.equal(inHand().value, 'token-2')
    t.equal(grant.requests, 2)
  })

  t.test('is not used when its renewal fails: callers get the failure', async (t) => {
    const { clock, grant, source, inHand } = await create(t)
    source.reject(inHand())
    const waiting = source.acquire()
    await settle()
    grant.fail()
    const failure = { code: 'token_unavailable', retryAfter: 1 }
    t.match(await waiting, { ok: false, failure })
    t.match(await source.acquire(), { ok: false, failure }, 'at once, from memory')
    t.equal(source.peek(), undefined)
    await clock.advance(1_000)
    t.equal(grant.requests, 3, 'the next try needs no caller')
    grant.grant(HOUR)
    await settle()
    t.equal(inHand().value, 'token-3')
  })

  t.test('does not break into the waiting time after a failure', async (t) => {
    const { clock, grant, source, inHand } = await create(t, { seconds: 300 })
    await clock.advance(90_000)
    grant.fail({ kind: 'rate_limited', reason: 'answered 429', retryAfter: 30_000 })
    await clock.advance(1_000)
    t.equal(source.reject(inHand()), true)
    t.match(await source.acquire(), { failure: { code: 'token_rate_limited', retryAfter: 29 } })
    await clock.advance(28_999)
    t.equal(grant.requests, 2)
    await clock.advance(1)
    t.equal(grant.requests, 3)
  })

  t.test('does not wait for the next try after a failure that may have passed', async (t) => {
    const { clock, grant, source, inHand } = await create(t, { seconds: 300 })
    await clock.advance(90_000)
    grant.fail()
    await clock.advance(1_000)
    t.equal(grant.requests, 3)
    grant.fail()
    await clock.advance(1_999)
    t.equal(source.reject(inHand()), true)
    await settle()
    t.equal(grant.requests, 4, 'a millisecond before its time')
  })

  t.test('that is hard already is renewed all the same', async (t) => {
    const { clock, grant, source, inHand } = await create(t, { seconds: 300 })
    const token = inHand()
    clock.jumpWall(230_000)
    t.equal(source.state().freshness, 'hard')
    t.equal(source.reject(token), true)
    await settle()
    t.equal(grant.requests, 2)
  })
})

t.test('one renewal is forced in 10 s; until then the token stays in use', async (t) => {
  const scene = await create(t)
  const { clock, grant, inHand } = scene
  t.equal(await rejectAndRenew(scene), true)
  await clock.advance(9_999)
  t.equal(await rejectAndRenew(scene), false)
  t.equal(inHand().value, 'token-2')
  await clock.advance(1)
  t.equal(await rejectAndRenew(scene), true)
  t.equal(inHand().value, 'token-3')
  t.equal(grant.requests, 3)
})

t.test('three young tokens rejected in a row close the door for 60 s', async (t) => {
  const scene = await create(t, { age: 1_000 })
  const { clock, grant, inHand } = scene
  t.equal(await rejectAndRenew(scene), true, 'the first one')
  await clock.advance(1_000)
  t.equal(await rejectAndRenew(scene), false, 'the second one, too soon for a renewal')
  t.equal(await rejectAndRenew(scene), false, 'the same one does not count twice')
  await clock.advance(9_000)
  t.equal(await rejectAndRenew(scene), true)
  await clock.advance(1_000)
  t.equal(await rejectAndRenew(scene), false, 'the third one')
  await clock.advance(59_999)
  t.equal(await rejectAndRenew(scene), false, 'though the token is not young any more')
  t.equal(grant.requests, 3)
  await clock.advance(1)
  t.equal(await rejectAndRenew(scene), true)
  t.equal(inHand().value, 'token-4')
})

t.test('a token that works in between leaves the door open', async (t) => {
  const scene = await create(t, { age: 1_000 })
  for (let round = 0; round < 5; round += 1) {
    t.equal(await rejectAndRenew(scene), true)
    scene.source.accept()
    await scene.clock.advance(1_000)
    t.equal(await rejectAndRenew(scene), false, 'a young token again, too soon for a renewal')
    scene.source.accept()
    await scene.clock.advance(9_000)
  }
})

t.test('nothing is fetched once the source is stopped', async (t) => {
  const { source, grant, inHand } = await create(t)
  const token = inHand()
  source.stop()
  source.reject(token)
  await settle()
  t.equal(grant.requests, 1)
})
