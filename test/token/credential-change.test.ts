import t, { type Test } from 'tap'
import { CachedTokenSource } from '../../src/token/cached-token-source.ts'
import { ManualClock, settle } from '../fixtures/manual-clock.ts'
import { ScriptedGrant } from '../fixtures/scripted-grant.ts'
import { createTokenScene as create, rejectAndRenew, rejectIn } from '../fixtures/token-scene.ts'

const HOUR = 3_600

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
  t.test('is used from its first token on, its old token up to the soft point', async (t) => {
    const { clock, grant, next, source, inHand, state, change, outcomes } = await replace(t)
    const old = inHand()
    const changing = change()
    await settle()
    t.equal(next.requests, 1)
    t.equal(inHand(), old)
    t.match(await source.acquire(), { token: old })
    next.grant(43_200)
    await changing
    t.equal(state.replaced, true)
    t.equal(inHand(), old)
    t.match(outcomes, [{ ok: true }, { ok: true }], 'the observer is told')
    await clock.advance(43_200_000 / 2 - 60_000)
    t.not(inHand(), old)
    t.match([grant.requests, next.requests], [1, 1])
  })

  t.test('takes over at once where the API rejects the old token', async (t) => {
    const { clock, grant, next, source, inHand, change } = await replace(t)
    const old = inHand()
    const changing = change()
    await clock.advance(1_000)
    next.grant(HOUR)
    await changing
    t.equal(rejectIn(source, old).isCurable, true)
    t.not(inHand(), old)
    t.match([grant.requests, next.requests], [1, 1], 'its token is there already')
    t.equal(rejectIn(source, old).isCurable, true, 'one that comes late changes nothing')
    t.not(source.peek(), undefined)
  })

  t.test('is renewed by its own token server from then on', async (t) => {
    const { clock, grant, next, source, inHand, change } = await replace(t)
    void change()
    await settle()
    next.grant(300)
    await settle()
    rejectIn(source, inHand())
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
    t.match(source.state().lastOutcome, { kind: 'granted' })
    await clock.advance(90_000)
    t.match([grant.requests, next.requests], [2, 1], 'the old one is renewed at its soft point')
  })

  t.test('ends the memory of failures', async (t) => {
    const { clock, grant, next, source, inHand, change } = await replace(t)
    const refusal = rejectIn(source, inHand())
    await settle()
    grant.fail({ kind: 'rejected', reason: 'answered 401' })
    t.match(await source.acquire(undefined, refusal), { failure: { code: 'credential_rejected' } })
    const changing = change()
    await clock.advance(1_000)
    next.grant(HOUR)
    await changing
    t.match(source.state().lastOutcome, { kind: 'granted' })
    t.match(await source.acquire(), { ok: true })
  })

  t.test('starts with an open door', async (t) => {
    const scene = await replace(t)
    await rejectAndRenew(scene)
    t.equal(rejectIn(scene.source, scene.inHand()).isCurable, false)
    const changing = scene.change()
    await scene.clock.advance(1_000)
    scene.next.grant(HOUR)
    await changing
    t.equal(rejectIn(scene.source, scene.inHand()).isCurable, true, 'the old token')
    t.equal(rejectIn(scene.source, scene.inHand()).isCurable, true, 'and the first one of its own')
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
      t.match(source.state().lastOutcome, { kind: 'granted' })
      await clock.advance(1_799_000)
      t.equal(next.requests, 1)
      await clock.advance(1_000)
      t.match([grant.requests, next.requests], [2, 2], 'its own soft point counts')
    })
  }

  t.test('that is the same but for its grant takes over at once', async (t) => {
    const { clock, grant, source, inHand } = await create(t)
    const next = new ScriptedGrant(clock)
    const changing = source.replaceCredential({ grant: next, cacheKey: 'first' })
    await clock.advance(1_000)
    const old = inHand()
    next.grant(HOUR)
    t.equal(await changing, true)
    t.not(inHand(), old)
    t.match([grant.requests, next.requests], [1, 1])
    next.fail({ kind: 'rejected' }, { always: true })
    await clock.advance(HOUR * 1_000)
    t.match(source.state().lastOutcome, { kind: 'rejected' }, 'it does not wait for itself')
  })

  t.test('helps those who wait for the old one in vain', async (t) => {
    const { clock, grant, next, source, inHand, change } = await replace(t)
    const waiting = source.acquire(undefined, rejectIn(source, inHand()))
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

/** A source whose owner is asked for a new credential, and takes its time. */
const startWithOwner = (t: Test) => {
  const clock = new ManualClock()
  const [grant, next] = [new ScriptedGrant(clock), new ScriptedGrant(clock)]
  const owner = { asked: 0, answer: (): void => {} }
  const source = new CachedTokenSource({
    credential: { grant, cacheKey: 'first' },
    clock,
    random: () => 0.5,
    waitLimit: 8_000,
    onOutcome: () => {},
    onRejected: () => {
      owner.asked += 1
      return new Promise((resolve) => (owner.answer = resolve))
    },
  })
  t.teardown(() => source.stop())
  source.start()
  const change = () => source.replaceCredential({ grant: next, cacheKey: 'second' })
  return { clock, grant, next, owner, source, change }
}

t.test('the owner is asked for a new credential', async (t) => {
  const rejected = { kind: 'rejected' } as const

  t.test('only where the one in use is rejected', async (t) => {
    const { clock, grant, next, owner, change } = startWithOwner(t)
    await settle()
    for (const kind of ['transient', 'misconfigured', 'rate_limited'] as const) {
      grant.fail({ kind })
      await clock.advance(5_000)
    }
    t.equal(grant.requests, 4)
    grant.grant(HOUR)
    const changing = change()
    await settle()
    next.fail(rejected)
    t.equal(await changing, false)
    t.equal(owner.asked, 0)
  })

  t.test('once at a time, whatever is changed and rejected meanwhile', async (t) => {
    const { clock, grant, next, owner, source, change } = startWithOwner(t)
    await settle()
    grant.fail(rejected)
    await settle()
    t.equal(owner.asked, 1)
    const changing = change()
    await settle()
    next.grant(1)
    t.equal(await changing, true)
    await clock.advance(1_000)
    void source.acquire()
    await settle()
    next.fail(rejected)
    await settle()
    t.match(source.state(), { lastOutcome: rejected })
    t.equal(owner.asked, 1, 'one that waits for the other could wait for ever')
    owner.answer()
    await clock.advance(5_000)
    next.fail(rejected)
    await settle()
    t.equal(owner.asked, 2, 'and once more the next time')
  })
})

t.test('a credential in use that is rejected', async (t) => {
  const rejected = { kind: 'rejected' } as const

  t.test('may be replaced by one that the owner has found meanwhile', async (t) => {
    const clock = new ManualClock()
    const [grant, next] = [new ScriptedGrant(clock), new ScriptedGrant(clock)]
    const source: CachedTokenSource = new CachedTokenSource({
      credential: { grant, cacheKey: 'first' },
      clock,
      random: () => 0.5,
      waitLimit: 8_000,
      onOutcome: () => {},
      onRejected: async () => {
        await source.replaceCredential({ grant: next, cacheKey: 'second' })
      },
    })
    t.teardown(() => source.stop())
    const waiting = source.acquire()
    await settle()
    grant.fail(rejected)
    await settle()
    next.grant(HOUR)
    t.match(await waiting, { ok: true, token: { value: 'token-1' } })
    t.match([grant.requests, next.requests], [1, 1])
  })

  t.test('leaves the previous one to help for a day', async (t) => {
    for (const [hours, helps] of [
      [1, true],
      [24, true],
      [25, false],
    ] as const) {
      const { clock, grant, next, source, change, inHand } = await replace(t, { seconds: 300_000 })
      const changing = change()
      await clock.advance(1_000)
      next.grant(hours * HOUR * 2)
      await changing
      rejectIn(source, inHand())
      next.fail(rejected, { always: true })
      await clock.advance(hours * HOUR * 1_000)
      if (helps) {
        t.equal(grant.requests, 2, `${hours} h`)
        grant.grant(HOUR)
        await settle()
        t.equal(inHand().value, 'token-2')
        t.match(source.state().lastOutcome, { kind: 'granted' })
      } else {
        t.equal(grant.requests, 1, `${hours} h`)
        t.match(source.state(), { lastOutcome: rejected })
      }
    }
  })

  t.test('asks its previous one again after a token, or a failure that may pass', async (t) => {
    const { clock, grant, next, source, change, inHand } = await replace(t)
    const changing = change()
    await clock.advance(1_000)
    next.grant(HOUR)
    await changing
    await clock.advance(1)
    rejectIn(source, inHand())
    next.fail(rejected, { always: true })
    const refusal = rejectIn(source, inHand())
    await clock.advance(1_000)
    t.equal(grant.requests, 2)
    grant.fail()
    t.match(await source.acquire(undefined, refusal), {
      failure: { code: 'credential_rejected' },
    })
    for (const requests of [3, 4]) {
      await clock.advance(HOUR * 1_000)
      t.equal(grant.requests, requests)
      grant.grant(HOUR)
      await settle()
      t.equal(inHand().value, `token-${requests}`)
    }
  })

  t.test('keeps a later previous one, though an earlier one is rejected just then', async (t) => {
    const { clock, grant, next, source, change, inHand } = await replace(t)
    const changing = change()
    await clock.advance(1_000)
    next.grant(1)
    await changing
    rejectIn(source, inHand())
    await clock.advance(1_000)
    void source.acquire()
    await settle()
    next.fail(rejected)
    await settle()
    t.equal(grant.requests, 2, 'the first one is asked')
    const third = new ScriptedGrant(clock)
    const changingAgain = source.replaceCredential({ grant: third, cacheKey: 'third' })
    await settle()
    third.grant(1)
    t.equal(await changingAgain, true)
    grant.fail(rejected)
    await clock.advance(1_000)
    void source.acquire()
    await settle()
    third.fail(rejected)
    await settle()
    t.equal(next.requests, 3, 'the second one is asked')
  })

  t.test('and its previous one as well: that is the end of it', async (t) => {
    const { clock, grant, next, source, change, inHand } = await replace(t)
    const changing = change()
    await clock.advance(1_000)
    next.grant(HOUR)
    await changing
    await clock.advance(1)
    rejectIn(source, inHand())
    const refusal = rejectIn(source, inHand())
    next.fail(rejected, { always: true })
    grant.fail(rejected, { always: true })
    const waiting = source.acquire(undefined, refusal)
    await clock.advance(2_000)
    t.match(await waiting, { failure: { code: 'credential_rejected' } })
    t.equal(grant.requests, 2)
    await clock.advance(60_000)
    t.ok(next.requests > 2)
    t.equal(grant.requests, 2, 'it is not asked again')
  })
})
