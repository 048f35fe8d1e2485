/** Token sources of workers and the one they mirror, over channels that carry what JSON carries. */
import t, { type Test } from 'tap'
import type { Clock } from '../../src/clock.ts'
import type { AccessToken } from '../../src/token/access-token.ts'
import { MirroredTokenSource } from '../../src/workers/mirrored-token-source.ts'
import type { ToPrimary, TokenCopy, TokenMessage } from '../../src/workers/protocol.ts'
import { TokenDesk } from '../../src/workers/token-desk.ts'
import { TokenQuestions } from '../../src/workers/token-questions.ts'
import { settle, type ManualClock } from '../fixtures/manual-clock.ts'
import { ScriptedGrant } from '../fixtures/scripted-grant.ts'
import { createTokenScene } from '../fixtures/token-scene.ts'

const carried = <T>(message: T): T => JSON.parse(JSON.stringify(message)) as T

/** What a process has that began at another time. */
const otherClock = (clock: ManualClock, ahead: number): Clock => ({
  now() {
    const { monotonic, wall } = clock.now()
    return { monotonic: monotonic + ahead, wall }
  },
  monotonic: () => clock.monotonic() + ahead,
  schedule: (ms, task) => clock.schedule(ms, task),
})

const AHEAD_MS = 5_000

/** A source that holds token-1, and two workers that know it. `pass`: messages reach the primary. */
const open = async (t: Test, options: { seconds?: number; age?: number } = {}) => {
  const scene = await createTokenScene(t, options)
  const { clock, source } = scene
  const workers: ReturnType<typeof createWorker>[] = []
  let isLate = false
  const publish = (): void => {
    const copy: TokenCopy = desk.copyOf(id)
    if (!isLate) for (const { tokens } of workers) tokens.update(carried(copy))
  }
  const desk = new TokenDesk({ onChange: publish })
  const id = desk.add(source)
  const createWorker = () => {
    const sent: ToPrimary[] = []
    const seen: string[] = []
    const worker = {}
    let isStuck = false
    const send = (message: ToPrimary): void => {
      sent.push(message)
      if (isStuck) return
      desk.handle(worker, carried(message) as TokenMessage, (id, outcome) =>
        questions.answered(id, carried(outcome)),
      )
    }
    const own = otherClock(clock, AHEAD_MS)
    const questions = new TokenQuestions({ clock: own, waitLimit: 8_000, send })
    const tokens = new MirroredTokenSource({
      source: id,
      clock: own,
      offset: AHEAD_MS,
      send,
      questions,
      onToken: (value) => seen.push(value),
    })
    return {
      tokens,
      sent,
      seen,
      kinds: () => sent.map(({ kind }) => kind),
      end: () => desk.forget(worker),
      stick: () => (isStuck = true),
    }
  }
  workers.push(createWorker(), createWorker())
  publish()
  const [a, b] = workers as [(typeof workers)[number], (typeof workers)[number]]
  const late = (value: boolean): void => {
    isLate = value
  }
  return { ...scene, desk, a, b, publish, late }
}

const inHand = (tokens: MirroredTokenSource): AccessToken => {
  const token = tokens.peek()
  if (token === undefined) throw new Error('no token in hand')
  return token
}

t.test('a token at hand is handed out by the age that it has for the primary', async (t) => {
  const { clock, a, source } = await open(t, { seconds: 100, age: 40_000 })
  const token = inHand(a.tokens)
  t.equal(token.authorization, 'Bearer token-1')
  t.same(a.seen, ['token-1'], 'the log knows what to cut out')
  t.equal(a.tokens.peek(), token, 'the same object for the same token')
  source.stop()
  // Only the other clock is left to go by.
  clock.jumpWall(-3_600_000)
  await clock.advance(49_999)
  t.equal(a.tokens.peek(), token, 'soft')
  await clock.advance(1)
  t.equal(a.tokens.peek(), undefined, 'hard')
  t.notOk(a.tokens.isExpired(token))
  await clock.advance(10_000)
  t.ok(a.tokens.isExpired(token))
})

t.test('tokens in use are told of seldom, and renewed while they are', async (t) => {
  const { clock, a, grant, source, publish } = await open(t, { seconds: 1_000, age: 0 })
  for (let nth = 0; nth < 100; nth += 1) a.tokens.peek()
  t.same(a.kinds(), ['used'])
  await clock.advance(50_000)
  a.tokens.peek()
  t.same(a.kinds(), ['used', 'used'], 'a twentieth of its life later')
  await clock.advance(450_000)
  t.equal(grant.requests, 2, 'half its life later it is renewed')
  grant.fail({}, { always: true })
  await settle()
  publish()
  t.ok(a.tokens.peek())
  t.ok(a.tokens.peek())
  t.equal(a.sent.length, 3, 'a renewal that is due is asked for, once a second at most')
  source.stop()
})

t.test('callers of two workers share one request, and get its token or its failure', async (t) => {
  const { clock, a, b, grant, desk, source } = await open(t, { seconds: 100, age: 95_000 })
  t.equal(grant.requests, 2, 'the primary renews')
  const gone = new AbortController()
  const left = a.tokens.acquire(gone.signal)
  const waiting = [a, a, b].map(({ tokens }) => tokens.acquire())
  const lost = b.tokens.acquire()
  await settle()
  t.equal(source.state().waiters, 5)
  gone.abort()
  t.match(await left, { ok: false, failure: { code: 'token_unavailable' } })
  await settle()
  t.equal(source.state().waiters, 4, 'who leaves gives its place away')
  grant.grant(100)
  t.match(await Promise.all(waiting), [
    { ok: true, token: { value: 'token-2' } },
    { ok: true, token: { value: 'token-2' } },
    { ok: true, token: { value: 'token-2' } },
  ])
  t.match(await lost, { ok: true })
  t.match(await a.tokens.acquire(), { ok: true })
  t.equal(grant.requests, 2)
  await clock.advance(95_000)
  const refused = a.tokens.acquire()
  void b.tokens.acquire()
  await settle()
  b.end()
  await settle()
  t.equal(source.state().waiters, 1, 'a worker that ends takes its callers with it')
  b.end()
  desk.handle({}, { kind: 'leave', id: 7 }, () => t.fail())
  grant.fail({ kind: 'rejected' })
  t.match(await refused, { ok: false, failure: { code: 'credential_rejected' } })
})

t.test('a primary that does not answer lets no caller wait for ever', async (t) => {
  const { clock, a } = await open(t, { seconds: 100, age: 95_000 })
  a.stick()
  const outcome = a.tokens.acquire()
  await clock.advance(8_000)
  t.match(await outcome, { ok: false, failure: { code: 'token_unavailable', retryAfter: 1 } })
  t.same(a.kinds(), ['ask', 'leave'])
})

t.test('401 in two workers at once forces one renewal', async (t) => {
  const { clock, a, b, grant } = await open(t)
  const [token, same] = [inHand(a.tokens), inHand(b.tokens)]
  t.ok(a.tokens.reject(token))
  t.ok(a.tokens.reject(token))
  t.equal(a.tokens.peek(), undefined, 'it is never sent again')
  t.equal(b.tokens.peek(), undefined, 'not by the other one either')
  t.ok(b.tokens.reject(same))
  const [first, second] = [a.tokens.acquire(), b.tokens.acquire()]
  await settle()
  grant.grant(43_200)
  t.match(await first, { ok: true, token: { value: 'token-2' } })
  t.match(await second, { ok: true, token: { value: 'token-2' } })
  t.equal(grant.requests, 2)
  t.ok(b.tokens.reject(same), 'it has been renewed already')

  const next = inHand(a.tokens)
  const before = a.sent.length
  t.notOk(a.tokens.reject(next), 'one renewal in 10 s')
  t.notOk(a.tokens.reject(next))
  t.equal(a.sent.length, before + 1, 'said once')
  t.equal(a.tokens.peek(), next, 'it stays in use')
  await clock.advance(10_000)
  t.ok(a.tokens.reject(next))
  await settle()
  t.equal(grant.requests, 3)
})

t.test('three young tokens that are rejected close the door in all workers', async (t) => {
  const { clock, a, b, grant, publish } = await open(t, { age: 1_000 })
  const rejectAndRenew = async () => {
    const isRenewed = a.tokens.reject(inHand(a.tokens))
    await settle()
    if (isRenewed) grant.grant(43_200)
    await settle()
    publish()
    return isRenewed
  }
  t.ok(await rejectAndRenew())
  t.notOk(await rejectAndRenew(), 'the second within 10 s')
  await clock.advance(10_000)
  t.ok(await rejectAndRenew())
  t.notOk(await rejectAndRenew(), 'the third')
  await clock.advance(59_999)
  t.notOk(b.tokens.reject(inHand(b.tokens)))
  await clock.advance(1)
  t.ok(b.tokens.reject(inHand(b.tokens)))
})

t.test('an answer that is no 401 is told of once, and only where there is doubt', async (t) => {
  const { a, b, grant, clock, late } = await open(t, { age: 1_000 })
  a.tokens.accept()
  t.same(a.kinds(), [])
  a.tokens.reject(inHand(a.tokens))
  await settle()
  grant.grant(43_200)
  await settle()
  b.tokens.peek()
  a.sent.length = 0
  await clock.advance(1_000)
  await a.tokens.acquire()
  a.sent.length = 0
  late(true)
  a.tokens.accept()
  a.tokens.accept()
  t.same(a.kinds(), ['accepted'])
})

t.test('a worker that knew too little does not send a rejected token again', async (t) => {
  const { a, b, grant, late, clock } = await open(t)
  late(true)
  t.ok(a.tokens.reject(inHand(a.tokens)))
  await settle()
  grant.grant(43_200)
  const outcome = await a.tokens.acquire()
  t.match(outcome, { ok: true, token: { value: 'token-2' } })
  // The copy says that a renewal is possible, and knows nothing of the last one.
  const stale = { renewableAt: 0, doubted: false }
  const copy = outcome.ok ? { ...stale, token: { ...outcome.token, id: 3 } } : stale
  b.tokens.update(copy)
  await clock.advance(1_000)
  const token = inHand(b.tokens)
  const id = (token as unknown as { id: number }).id
  t.ok(b.tokens.reject(token))
  t.equal(id, 3)
  t.match(await b.tokens.acquire(), {
    ok: false,
    failure: { code: 'upstream_rejected_token' },
  })
  t.equal(b.tokens.peek(), token, 'it stays in use')
  t.equal(grant.requests, 2)
})

t.test('the token of a replaced credential gives way to the next without a renewal', async (t) => {
  const { clock, a, source, publish, grant } = await open(t)
  const other = new ScriptedGrant(clock)
  const replaced = source.replaceCredential({ grant: other, cacheKey: 'second' })
  await settle()
  other.grant(43_200)
  t.ok(await replaced)
  publish()
  const kept = inHand(a.tokens)
  t.equal(kept.value, 'token-1')
  t.ok(a.tokens.reject(kept))
  t.equal(a.tokens.peek()?.value, 'token-1')
  t.equal(grant.requests + other.requests, 2)
})

t.test('newer scopes are asked for with tokens of some age, once a second', async (t) => {
  const { clock, a, grant } = await open(t, { age: 599_999 })
  const token = inHand(a.tokens)
  a.sent.length = 0
  a.tokens.refresh(token)
  t.same(a.kinds(), [], 'too young')
  await clock.advance(1)
  a.tokens.refresh(token)
  a.tokens.refresh(token)
  t.same(a.kinds(), ['refresh'])
  await clock.advance(1_000)
  a.tokens.refresh(token)
  t.same(a.kinds(), ['refresh', 'refresh'])
  await settle()
  grant.grant(43_200)
  await settle()
  await a.tokens.acquire()
})

t.test('what is long gone is answered all the same', async (t) => {
  const { desk, source } = await open(t)
  const answers: unknown[] = []
  const answer = (_id: number, outcome: unknown): void => void answers.push(outcome)
  desk.handle({}, { kind: 'ask', source: 9_999, id: 1 }, answer)
  desk.handle({}, { kind: 'used', source: 9_999 }, answer)
  t.same(answers, [{ ok: false, failure: { code: 'internal' } }])
  desk.handle({}, { kind: 'rejected', source: 1, token: 9_999 }, answer)
  t.ok(source.look().token, 'a token that nobody knows changes nothing')
})
