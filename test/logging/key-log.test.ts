import { Writable } from 'node:stream'
import t from 'tap'
import { tokenLog, watchCertificate } from '../../src/logging/key-log.ts'
import { createLogger } from '../../src/logging/logger.ts'
import { Redactor } from '../../src/logging/redaction.ts'
import { createAccessToken } from '../../src/token/access-token.ts'
import type { TokenFailure } from '../../src/token/token-response.ts'
import type { CredentialRole, GrantOutcome } from '../../src/token/token-source.ts'
import { ManualClock } from '../fixtures/manual-clock.ts'

const START = { monotonic: 0, wall: 0 }
const TOKEN = 'header.payload.signature'
const GRANTED: GrantOutcome = { ok: true, token: createAccessToken(TOKEN, 3_600_000, START, 0) }
const failed = (kind: TokenFailure['kind'] = 'transient'): GrantOutcome => ({
  ok: false,
  failure: { kind, reason: 'answered 500', status: 500 },
})

const open = async () => {
  const records: Record<string, unknown>[] = []
  const destination = new Writable({
    write(chunk, _encoding, done) {
      records.push(JSON.parse(String(chunk)) as Record<string, unknown>)
      done()
    },
  })
  const redactor = new Redactor()
  const log = await createLogger({ level: 'info', format: 'json', destination })
  const clock = new ManualClock()
  const tell = tokenLog({ log, clock, redactor })
  const observe = (outcome: GrantOutcome, role: CredentialRole = 'in_use') =>
    tell('acme.example', outcome, role)
  return { observe, log, clock, records, redactor }
}

t.test('a token is reported by its lifetime, never by its value', async (t) => {
  const { observe, records } = await open()
  observe(GRANTED)
  t.match(records, [
    { level: 'info', msg: 'token obtained', token_host: 'acme.example', lifetime_s: 3600 },
  ])
  t.notMatch(JSON.stringify(records), TOKEN)
})

t.test('every token becomes a secret that no line may carry', async (t) => {
  const { observe, redactor } = await open()
  t.equal(redactor.redact(`Bearer ${TOKEN}`), `Bearer ${TOKEN}`)
  observe(GRANTED)
  t.equal(redactor.redact(`Bearer ${TOKEN}`), 'Bearer [redacted]')
})

const LEVELS: Record<TokenFailure['kind'], [level: string, advice: RegExp]> = {
  rejected: ['error', /rejects the credential.*until a valid key is bound/],
  misconfigured: ['error', /does not lead to a token endpoint/],
  rate_limited: ['warn', /limits the rate/],
  transient: ['warn', /no token from the token server/],
}

for (const kind of ['rejected', 'misconfigured', 'rate_limited', 'transient'] as const) {
  const [level, msg] = LEVELS[kind]
  t.test(`${kind}: the log says what to do, at level ${level}`, async (t) => {
    const { observe, records } = await open()
    observe(failed(kind))
    const fields = { token_host: 'acme.example', reason: 'answered 500', failures: 1 }
    t.match(records, [{ ...fields, level, msg }])
  })
}

t.test('the first failure is told at once, then one a minute, with their number', async (t) => {
  const { observe, clock, records } = await open()
  observe(failed())
  await clock.advance(30_000)
  observe(failed())
  await clock.advance(29_999)
  observe(failed())
  t.strictSame(
    records.map(({ failures }) => failures),
    [1],
  )
  await clock.advance(1)
  observe(failed())
  t.strictSame(
    records.map(({ failures }) => failures),
    [1, 4],
  )
})

t.test('the recovery is told, and the next failure is a first one again', async (t) => {
  const { observe, clock, records } = await open()
  observe(failed())
  await clock.advance(30_000)
  observe(failed())
  await clock.advance(60_000)
  observe(GRANTED)
  observe(GRANTED)
  observe(failed())
  t.match(records, [
    { failures: 1 },
    {
      level: 'info',
      msg: 'the token server gives tokens again',
      failures: 2,
      lifetime_s: 3600,
      lasted_s: 90,
    },
    { msg: 'token obtained' },
    { level: 'warn', failures: 1 },
  ])
  t.equal(records.length, 4)
})

t.test('what is rejected is told with the words of the server and what helps', async (t) => {
  const messages = {
    invalid_client: /rejects the credential.*until a valid key is bound/,
    invalid_scope: /refuses what is asked of it/,
  }
  for (const [code, msg] of Object.entries(messages)) {
    const { observe, records } = await open()
    const reason = `answered 400 ${code}`
    const [description, remedy] = ['Not for you', 'Ask somebody']
    observe({ ok: false, failure: { kind: 'rejected', reason, code, description, remedy } })
    t.match(records, [{ level: 'error', msg, reason, description, advice: remedy }])
  }
})

t.test('a rejection that the previous key makes up for is a warning, and no success', async (t) => {
  const { observe, clock, records } = await open()
  for (let renewal = 0; renewal < 3; renewal += 1) {
    observe(GRANTED, 'unused')
    observe(failed('rejected'), 'rescued')
    await clock.advance(20_000)
  }
  observe(failed('rejected'))
  observe(GRANTED)
  t.match(
    records.filter(({ msg }) => msg !== 'token obtained'),
    [
      { level: 'warn', msg: /the previous key still gives tokens and stays in use/, failures: 1 },
      { level: 'error', msg: /requests fail as soon as no token is left/, failures: 4 },
      { level: 'info', msg: 'the token server gives tokens again', failures: 4, lasted_s: 60 },
    ],
  )
})

t.test('a key that is not in use makes no line of failure, and ends none', async (t) => {
  const { observe, records } = await open()
  observe(failed('rejected'), 'unused')
  t.same(records, [])
  observe(failed('transient'))
  observe(GRANTED, 'unused')
  observe(GRANTED)
  t.match(records, [
    { level: 'warn' },
    { msg: 'token obtained' },
    { msg: 'the token server gives tokens again', failures: 1 },
  ])
})

const HOUR_MS = 3_600_000

t.test('warns before the certificate expires, every hour, until it is stopped', async (t) => {
  const { log, clock, records } = await open()
  const notBefore = clock.now().wall
  const validity = { notBefore, notAfter: notBefore + 100 * HOUR_MS }
  const stop = watchCertificate(log, clock, validity)
  await clock.advance(28 * HOUR_MS)
  t.same(records, [], 'nothing while there is time')
  await clock.advance(HOUR_MS)
  t.match(records, [
    {
      level: 'warn',
      expiry: new Date(validity.notAfter).toISOString(),
      hours_left: 71,
      msg: 'the client certificate of the service key expires soon',
    },
  ])
  await clock.advance(48 * HOUR_MS)
  t.match(records.at(-1), { level: 'error', hours_left: 23 })
  stop()
  t.equal(clock.pending, 0)
})
