import t, { type Test } from 'tap'
import type { AccessToken } from '../../src/token/access-token.ts'
import { CachedTokenSource } from '../../src/token/cached-token-source.ts'
import type { GrantOutcome } from '../../src/token/token-source.ts'
import { ManualClock, settle } from '../fixtures/manual-clock.ts'
import { ScriptedGrant } from '../fixtures/scripted-grant.ts'

/** A source that holds token-1 of `seconds` lifetime, requested `age` ms ago. */
const create = async (t: Test, { seconds = 43_200, age = 60_000 } = {}) => {
  const clock = new ManualClock()
  const grant = new ScriptedGrant(clock)
  const outcomes: GrantOutcome[] = []
  const source = new CachedTokenSource({
    credential: { grant, cacheKey: 'first' },
    clock,
    random: () => 0.5,
    waitLimit: 8_000,
    onOutcome: (outcome) => outcomes.push(outcome),
  })
  t.teardown(() => source.stop())
  source.start()
  await settle()
  grant.grant(seconds)
  await clock.advance(age)
  const inHand = (): AccessToken => {
    const token = source.peek()
    if (token === undefined) throw new Error('no token in hand')
    return token
  }
  return { clock, grant, source, outcomes, inHand }
}

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

/** Rejects the token in hand, and grants the next one if it is asked for. */
const rejectAndRenew = async ({ grant, source, inHand }: Awaited<ReturnType<typeof create>>) => {
  const renewed = source.reject(inHand())
  await settle()
  if (renewed) grant.grant(HOUR)
  await settle()
  return renewed
}

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
    await scene.clock.advance(10_000)
  }
})

t.test('refresh', async (t) => {
  t.test('renews a token of 10 minutes without giving it up', async (t) => {
    const { grant, source, inHand } = await create(t, { age: 600_000 })
    source.refresh(inHand())
    source.refresh(inHand())
    await settle()
    t.equal(grant.requests, 2)
    t.equal(inHand().value, 'token-1', 'nobody waits')
    grant.grant(HOUR)
    await settle()
    t.equal(inHand().value, 'token-2')
    t.equal(grant.requests, 2)
  })

  t.test('does nothing about a younger token', async (t) => {
    const { grant, source, inHand } = await create(t, { age: 599_999 })
    source.refresh(inHand())
    await settle()
    t.equal(grant.requests, 1)
  })

  t.test('does nothing about a token that is not in use any more', async (t) => {
    const scene = await create(t, { age: 600_000 })
    const token = scene.inHand()
    await rejectAndRenew(scene)
    await scene.clock.advance(600_000)
    scene.source.refresh(token)
    await settle()
    t.equal(scene.grant.requests, 2)
  })
})

/** A source in use, and a second credential that is being changed to. */
const replace = async (t: Test, options = {}) => {
  const scene = await create(t, options)
  const next = new ScriptedGrant(scene.clock)
  const state: { replaced?: boolean } = {}
  const change = async (): Promise<void> => {
    state.replaced = await scene.source.replaceCredential({ grant: next, cacheKey: 'second' })
  }
  return { ...scene, next, state, change }
}

t.test('a new credential', async (t) => {
  t.test('is used from its first token on, the old token until then', async (t) => {
    const { grant, next, source, inHand, state, change, outcomes } = await replace(t)
    const old = inHand()
    const changing = change()
    await settle()
    t.equal(next.requests, 1)
    t.equal(inHand(), old)
    t.match(await source.acquire(), { token: old })
    next.grant(HOUR)
    await changing
    t.equal(state.replaced, true)
    t.not(inHand(), old)
    t.match([grant.requests, next.requests], [1, 1])
    t.match(outcomes, [{ ok: true }, { ok: true }], 'the observer is told')
  })

  t.test('is renewed by its own token server from then on', async (t) => {
    const { clock, grant, next, source, change } = await replace(t)
    void change()
    await settle()
    next.grant(300)
    await clock.advance(150_000)
    t.equal(source.state().freshness, 'soft')
    t.match([grant.requests, next.requests], [1, 2])
  })

  t.test('that yields no token changes nothing', async (t) => {
    const { clock, grant, next, source, inHand, state, change } = await replace(t, { seconds: 300 })
    const old = inHand()
    const changing = change()
    await settle()
    next.fail({ kind: 'rejected', reason: 'answered 401' })
    await changing
    t.equal(state.replaced, false)
    t.equal(inHand(), old)
    t.equal(source.state().lastFailure, undefined)
    await clock.advance(90_000)
    t.match([grant.requests, next.requests], [2, 1], 'the old one is renewed at its soft point')
  })

  t.test('ends the memory of failures', async (t) => {
    const { clock, grant, next, source, inHand, change } = await replace(t)
    source.reject(inHand())
    await settle()
    grant.fail({ kind: 'rejected', reason: 'answered 401' })
    t.match(await source.acquire(), { failure: { code: 'credential_rejected' } })
    const changing = change()
    await clock.advance(1_000)
    next.grant(HOUR)
    await changing
    t.equal(source.state().lastFailure, undefined)
    t.match(await source.acquire(), { ok: true })
  })

  t.test('starts with an open door', async (t) => {
    const scene = await replace(t)
    await rejectAndRenew(scene)
    t.equal(scene.source.reject(scene.inHand()), false)
    const changing = scene.change()
    await scene.clock.advance(1_000)
    scene.next.grant(HOUR)
    await changing
    t.equal(scene.source.reject(scene.inHand()), true)
  })

  for (const [title, answer] of [
    ['grant', (grant: ScriptedGrant) => grant.grant(HOUR)],
    ['failure', (grant: ScriptedGrant) => grant.fail({ kind: 'rejected' })],
  ] as const) {
    t.test(`is not affected by a late ${title} for the old one`, async (t) => {
      const { clock, grant, next, source, inHand, change } = await replace(t, { seconds: 300 })
      await clock.advance(90_000)
      t.equal(grant.requests, 2, 'a renewal is under way')
      const changing = change()
      await clock.advance(1_000)
      next.grant(HOUR)
      await changing
      const token = inHand()
      answer(grant)
      await settle()
      t.equal(inHand(), token)
      t.equal(source.state().lastFailure, undefined)
      await clock.advance(1_799_000)
      t.equal(next.requests, 1)
      await clock.advance(1_000)
      t.match([grant.requests, next.requests], [2, 2], 'its own soft point counts')
    })
  }

  t.test('helps those who wait for the old one in vain', async (t) => {
    const { clock, grant, next, source, inHand, change } = await replace(t)
    source.reject(inHand())
    const waiting = source.acquire()
    await settle()
    const changing = change()
    await clock.advance(1_000)
    next.grant(HOUR)
    await changing
    grant.fail({ kind: 'rejected' })
    t.match(await waiting, { ok: true, token: inHand() })
  })

  t.test('is not undone by an earlier change that takes longer', async (t) => {
    const { clock, grant, source, inHand } = await create(t)
    const [slow, quick] = [new ScriptedGrant(clock), new ScriptedGrant(clock)]
    const first = source.replaceCredential({ grant: slow, cacheKey: 'slow' })
    await clock.advance(1_000)
    const second = source.replaceCredential({ grant: quick, cacheKey: 'quick' })
    await clock.advance(1_000)
    quick.grant(HOUR)
    t.equal(await second, true)
    const token = inHand()
    slow.grant(HOUR)
    t.equal(await first, false)
    t.equal(inHand(), token)
    t.equal(grant.requests, 1)
  })
})

t.test('nothing is fetched once the source is stopped', async (t) => {
  const { source, grant, inHand } = await create(t)
  const token = inHand()
  source.stop()
  source.reject(token)
  await settle()
  t.equal(grant.requests, 1)
})
