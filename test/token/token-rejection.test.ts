import t from 'tap'
import { OwnAnswers } from '../../src/token/renewal.ts'
import { ManualClock, settle } from '../fixtures/manual-clock.ts'
import { createTokenScene as create, rejectAndRenew, rejectIn } from '../fixtures/token-scene.ts'

const HOUR = 3_600

t.test('a rejected token', async (t) => {
  t.test('is replaced for the request that met the 401, while others go on with it', async (t) => {
    const { grant, source, inHand } = await create(t)
    const token = inHand()
    const refusal = rejectIn(source, token)
    t.equal(refusal.isCurable, true)
    t.match(source.state(), { freshness: 'fresh' })
    t.match(await source.acquire(), { ok: true, token }, 'nobody else is held up')
    const waiting = source.acquire(undefined, refusal)
    await settle()
    t.equal(source.peek(), token)
    grant.grant(HOUR)
    t.match(await waiting, { ok: true, token: { value: 'token-2' } })
    t.equal(inHand().value, 'token-2')
    t.equal(grant.requests, 2)
  })

  t.test('is renewed once for 20 who reject it at the same time', async (t) => {
    const { grant, source, inHand } = await create(t)
    const token = inHand()
    const refusals = Array.from({ length: 20 }, () => rejectIn(source, token))
    t.ok(
      refusals.every(({ isCurable }) => isCurable),
      'another token is on its way for all of them',
    )
    const waiting = refusals.map((refusal) => source.acquire(undefined, refusal))
    await settle()
    grant.grant(HOUR)
    const outcomes = await Promise.all(waiting)
    t.ok(outcomes.every((outcome) => outcome.ok && outcome.token.value === 'token-2'))
    t.equal(grant.requests, 2)
    t.equal(grant.mostAtOnce, 1)
  })

  t.test('is renewed although nobody waits for it', async (t) => {
    const { grant, source, inHand } = await create(t)
    rejectIn(source, inHand())
    await settle()
    grant.grant(HOUR)
    await settle()
    t.equal(inHand().value, 'token-2')
  })

  t.test('shares a renewal that is under way, which does not count as forced', async (t) => {
    const { clock, grant, source, inHand } = await create(t, { seconds: 300 })
    await clock.advance(90_000)
    t.equal(grant.requests, 2, 'the soft point is reached')
    const requestedAt = clock.now()
    await clock.advance(1_000)
    const first = rejectIn(source, inHand())
    const waiting = source.acquire(undefined, first)
    await settle()
    t.equal(grant.requests, 2)
    grant.grant(300, { requestedAt })
    t.match(await waiting, { token: { value: 'token-2' } })
    const second = rejectIn(source, inHand(), first)
    t.equal(second.isCurable, true, 'granted before the revocation, it says nothing')
    const next = source.acquire(undefined, second)
    await settle()
    grant.grant(300)
    t.match(await next, { token: { value: 'token-3' } })
    const third = rejectIn(source, inHand(), second)
    t.equal(third.isCurable, false, 'requested after the first 401, it says all')
    t.equal(inHand().value, 'token-3', 'and is no worse for it')
    t.equal(grant.requests, 3)
  })

  t.test('that is rejected once more after its renewal changes nothing', async (t) => {
    const { clock, grant, source, inHand } = await create(t)
    const token = inHand()
    rejectIn(source, token)
    await settle()
    grant.grant(HOUR)
    await clock.advance(60_000)
    t.equal(rejectIn(source, token).isCurable, true, 'another one is there')
    await clock.advance(60_000)
    t.equal(inHand().value, 'token-2')
    t.equal(grant.requests, 2)
  })

  t.test('that cannot be renewed stays in use for others: it may be good for them', async (t) => {
    const { clock, grant, source, inHand } = await create(t)
    const token = inHand()
    const refusal = rejectIn(source, token)
    const waiting = source.acquire(undefined, refusal)
    await settle()
    grant.fail()
    const failure = { code: 'token_unavailable', retryAfter: 1 }
    t.match(await waiting, { ok: false, failure })
    t.match(await source.acquire(undefined, rejectIn(source, token)), { ok: false, failure })
    t.equal(grant.requests, 2, 'at once, from memory')
    t.equal(source.peek(), token)
    await clock.advance(1_000)
    t.equal(grant.requests, 3, 'the next try needs no caller')
    grant.grant(HOUR)
    await settle()
    t.equal(inHand().value, 'token-3')
  })

  t.test('is renewed by who meets a 401 when the timer is late after a failure', async (t) => {
    const { clock, grant, source, inHand } = await create(t)
    rejectIn(source, inHand())
    await settle()
    grant.fail()
    await settle()
    clock.jumpWall(1_500)
    const refusal = rejectIn(source, inHand())
    t.equal(refusal.isCurable, true, 'though none may be forced')
    const waiting = source.acquire(undefined, refusal)
    await settle()
    t.equal(grant.requests, 3)
    grant.grant(HOUR)
    t.match(await waiting, { token: { value: 'token-3' } })
  })

  t.test('does not break into the waiting time after a failure', async (t) => {
    const { clock, grant, source, inHand } = await create(t, { seconds: 300 })
    await clock.advance(90_000)
    grant.fail({ kind: 'rate_limited', reason: 'answered 429', retryAfter: 30_000 })
    await clock.advance(1_000)
    const refusal = rejectIn(source, inHand())
    t.equal(refusal.isCurable, true)
    const failure = { code: 'token_rate_limited', retryAfter: 29 }
    t.match(await source.acquire(undefined, refusal), { failure })
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
    t.equal(rejectIn(source, inHand()).isCurable, true)
    await settle()
    t.equal(grant.requests, 4, 'a millisecond before its time')
  })

  t.test('that is hard already is renewed all the same', async (t) => {
    const { clock, grant, source, inHand } = await create(t, { seconds: 300 })
    const token = inHand()
    clock.jumpWall(230_000)
    t.equal(source.state().freshness, 'hard')
    t.equal(rejectIn(source, token).isCurable, true)
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
    scene.source.accept(scene.inHand(), '/Vendor')
    await scene.clock.advance(1_000)
    t.equal(await rejectAndRenew(scene), false, 'a young token again, too soon for a renewal')
    scene.source.accept(scene.inHand(), '/Vendor')
    await scene.clock.advance(9_000)
  }
})

t.test('nothing is fetched once the source is stopped', async (t) => {
  const { source, grant, inHand } = await create(t)
  const token = inHand()
  source.stop()
  rejectIn(source, token)
  await settle()
  t.equal(grant.requests, 1)
})

t.test('a path that answers 401 to a token younger than its request', async (t) => {
  const OWN = '/own?a=1'
  /** One whole request for it. @returns how many tokens it got to see */
  const ask = async ({ grant, source, inHand }: Awaited<ReturnType<typeof create>>, path = OWN) => {
    let refusal = rejectIn(source, inHand(), undefined, path)
    while (refusal.isCurable) {
      const waiting = source.acquire(undefined, refusal)
      await settle()
      grant.grant(HOUR)
      const outcome = await waiting
      if (!outcome.ok) break
      refusal = rejectIn(source, outcome.token, refusal, path)
    }
    return refusal.tokens.length
  }

  t.test('forces no other one for a minute, and takes nothing from the others', async (t) => {
    const scene = await create(t)
    const { clock, grant, source, inHand } = scene
    t.equal(await ask(scene), 2)
    t.equal(grant.requests, 2)
    for (const path of [OWN, '/own', '/own?b']) {
      await clock.advance(19_000)
      await ask(scene, path)
      t.equal(inHand().value, 'token-2')
    }
    t.equal(grant.requests, 2)
    await clock.advance(3_000)
    t.equal(await ask(scene), 2)
    t.equal(grant.requests, 3, 'it may have changed')
    await clock.advance(1)
    t.equal(rejectIn(source, inHand()).isCurable, true, 'a revocation is dealt with at once')
  })

  t.test('is believed again as soon as it answers anything else', async (t) => {
    const scene = await create(t)
    await ask(scene)
    scene.source.accept(scene.inHand(), '/own?c')
    await scene.clock.advance(1_000)
    t.equal(await ask(scene), 2)
    t.equal(scene.grant.requests, 3)
  })

  t.test('gives a renewal back once in 10 s: many of them force no more', async (t) => {
    const scene = await create(t)
    scene.grant.grant(HOUR, { always: true })
    for (let path = 0; path < 200; path += 1) {
      void ask(scene, `/own/${path}`)
      await scene.clock.advance(100)
    }
    t.ok(scene.grant.requests <= 6, `${scene.grant.requests} tokens in 20 s`)
  })

  t.test('is forgotten when there are too many of them, or it is very long', async (t) => {
    const own = new OwnAnswers()
    const now = new ManualClock().now()
    for (let path = 0; path <= 100; path += 1) own.add(`/${path}`, now)
    t.strictSame(
      [own.has('/0', now), own.has('/1', now), own.has('/100', now)],
      [false, true, true],
    )
    const long = `/${'x'.repeat(1_000)}`
    own.add(long, now)
    t.equal(own.has(long, now), false)
  })
})

t.test('an API that refuses every token sees no more of them than there are', async (t) => {
  const { clock, grant, source, inHand } = await create(t, { seconds: 300 })
  await clock.advance(90_000)
  grant.grant(300, { always: true })
  await clock.advance(5_000)
  let refusal = rejectIn(source, inHand())
  for (let tries = 0; refusal.isCurable && tries < 10; tries += 1) {
    const outcome = await source.acquire(undefined, refusal)
    if (outcome.ok) refusal = rejectIn(source, outcome.token, refusal)
  }
  t.same(
    refusal.tokens.map(({ value }) => value),
    ['token-2', 'token-1', 'token-3'],
  )
})

t.test(
  'after a renewal the previous token is tried before giving up, and kept in use',
  async (t) => {
    const { clock, grant, source, inHand } = await create(t, { seconds: 300 })
    const previous = inHand()
    await clock.advance(90_000)
    grant.grant(300)
    await clock.advance(5_000)
    const refusal = rejectIn(source, inHand())
    t.match(await source.acquire(undefined, refusal), { ok: true, token: previous })
    source.accept(previous, '/Vendor')
    t.equal(inHand(), previous)
    t.equal(grant.requests, 2, 'no renewal was needed')
    await clock.advance(120_000)
    t.equal(inHand().value, 'token-2', 'once the previous one is past its time')
  },
)
