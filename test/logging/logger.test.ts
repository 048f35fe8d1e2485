import { once } from 'node:events'
import { Writable } from 'node:stream'
import { stripVTControlCharacters } from 'node:util'
import t from 'tap'
import { tracingLog } from '../../src/logging/key-log.ts'
import { BatchedDestination } from '../../src/logging/log-destination.ts'
import {
  cloudFoundryFields,
  createLogger,
  lineWriter,
  type LoggerOptions,
  timestamps,
} from '../../src/logging/logger.ts'
import { redactedLines, Redactor } from '../../src/logging/redaction.ts'
import { ManualClock } from '../fixtures/manual-clock.ts'

const SECRET = 's3cret-of-the-key'

const open = async (changes: Partial<LoggerOptions> = {}) => {
  const lines: string[] = []
  const destination = new Writable({
    write(chunk, _encoding, done) {
      lines.push(String(chunk))
      this.emit('line')
      done()
    },
  })
  const arrival = once(destination, 'line')
  const redactor = new Redactor()
  redactor.addSecret(SECRET)
  const output = redactedLines(destination, redactor)
  const baseline = { level: 'info', format: 'json', destination: output } as const
  const log = await createLogger({ ...baseline, ...changes })
  const records = () => lines.map((line) => JSON.parse(line) as Record<string, unknown>)
  return { log, lines, records, arrival }
}

t.test('a record is one line of JSON with the field names of SAP', async (t) => {
  const { log, lines, records } = await open()
  const before = Date.now()
  log.info({ port: 8080 }, 'listening')
  const [record] = records()
  t.strictSame(Object.keys(record ?? {}), [
    'level',
    'written_at',
    'written_ts',
    'type',
    'port',
    'msg',
  ])
  t.match(record, { level: 'info', type: 'log', port: 8080, msg: 'listening' })
  t.match(lines, [/^\{.*\}\n$/])
  const writtenAt = String(record?.['written_at'])
  t.match(writtenAt, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
  t.ok(Date.parse(writtenAt) >= before && Date.parse(writtenAt) <= Date.now())
  t.match(lines.join(''), `"written_ts":${Date.parse(writtenAt)}000000,`)
})

t.test('lines of one millisecond keep their order', async (t) => {
  let wall = Date.UTC(2026, 10, 23)
  const next = timestamps(() => wall)
  const at = ',"written_at":"2026-11-23T00:00:00.000Z","written_ts":1795392000000'
  t.equal(next(), `${at}000000`)
  t.equal(next(), `${at}000001`)
  wall += 5
  t.match(next(), /00\.005Z","written_ts":1795392000005000000$/)
})

t.test('every line tells the app and its instance', async (t) => {
  const { log, records } = await open({ fields: { component_name: 'intas-proxy' } })
  log.info('a')
  t.match(records(), [{ component_name: 'intas-proxy', type: 'log' }])
})

const APPLICATION = {
  application_id: 'app-guid',
  application_name: 'intas-proxy',
  space_id: 'space-guid',
  space_name: 'dev',
  organization_id: 'org-guid',
  organization_name: 'acme',
  application_uris: ['canary'],
}

t.test('app and instance are those of VCAP_APPLICATION, under the names of SAP', async (t) => {
  const VCAP_APPLICATION = JSON.stringify(APPLICATION)
  t.strictSame(cloudFoundryFields({ VCAP_APPLICATION, CF_INSTANCE_INDEX: '2' }), {
    component_type: 'application',
    component_id: 'app-guid',
    component_name: 'intas-proxy',
    space_id: 'space-guid',
    space_name: 'dev',
    organization_id: 'org-guid',
    organization_name: 'acme',
    component_instance: '2',
    source_instance: '2',
  })
  const old = JSON.stringify({ instance_index: 0, application_id: 7 })
  t.strictSame(cloudFoundryFields({ VCAP_APPLICATION: old }), {
    component_type: 'application',
    component_instance: '0',
    source_instance: '0',
  })
  t.strictSame(cloudFoundryFields({ VCAP_APPLICATION: '{}' }), { component_type: 'application' })
  for (const none of [undefined, '', '{"a', 'null', '7']) {
    t.strictSame(cloudFoundryFields({ VCAP_APPLICATION: none }), {})
  }
})

t.test('lost traces are told of once a minute', async (t) => {
  const { log, records } = await open()
  const clock = new ManualClock()
  const tell = tracingLog(log, clock)
  tell('no delivery (ECONNREFUSED)')
  await clock.advance(59_999)
  tell('no delivery (ECONNREFUSED)')
  t.match(records(), [{ level: 'warn', msg: 'traces are lost', reason: /ECONNREFUSED/ }])
  await clock.advance(1)
  tell('no delivery (status 403)')
  t.equal(records().length, 2)
})

const openLines = (write: (text: string, done: () => void) => void) => {
  const stream = new Writable({
    decodeStrings: false,
    highWaterMark: 1,
    write: (text: string, _encoding, done) => write(text, done),
  })
  const clock = new ManualClock()
  return { lines: new BatchedDestination(stream, clock), clock, stream }
}

t.test('lines are written together, in order, and none is left behind', async (t) => {
  const written: string[] = []
  const { lines, clock } = openLines((text, done) => {
    written.push(text)
    done()
  })
  lines.write('a\n')
  lines.write('b\n')
  t.same(written, [], 'not one by one')
  await clock.advance(100)
  t.same(written, ['a\nb\n'], 'after a while without more')
  t.equal(clock.pending, 0, 'and nothing is done while there is nothing to do')
  lines.write('c\n')
  lines.flushSync()
  t.same(written.splice(0), ['a\nb\n', 'c\n'], 'at once where it is the last line of a crash')
  await clock.advance(100)
  const many = Array.from({ length: 2_000 }, (_, index) => `line ${index}\n`)
  for (const line of many) lines.write(line)
  await lines.flush()
  t.equal(written.join(''), many.join(''))
  t.ok(written.length < 10)
})

t.test('if nobody reads, lines are dropped before they take the memory', async (t) => {
  const { lines, clock, stream } = openLines(() => {})
  const line = `${'x'.repeat(1_048_575)}\n`
  for (let count = 0; count < 64; count += 1) lines.write(line)
  t.equal(stream.writableLength, 16 * line.length)
  const flushed = lines.flush()
  await clock.advance(2_000)
  await t.resolves(flushed, 'and the end does not wait for ever')
})

t.test('a reader that is gone ends nothing but the log', async (t) => {
  const { lines, stream } = openLines(() => stream.destroy(new Error('EPIPE')))
  lines.write('a\n')
  await t.resolves(lines.flush())
  lines.write('b\n')
  await t.resolves(lines.flush())
})

t.test('a record may name its own type', async (t) => {
  const { log, lines, records } = await open()
  log.info({ type: 'request' }, 'answered')
  t.match(records(), [{ type: 'request' }])
  t.equal(lines.join('').match(/"type"/g)?.length, 1)
})

t.test('what is less severe than the level is not written', async (t) => {
  const { log, records } = await open({ level: 'warn' })
  log.info('a')
  log.warn('b')
  log.error('c')
  t.match(records(), [{ level: 'warn' }, { level: 'error' }])
})

t.test('silent writes nothing at all', async (t) => {
  const { log, lines } = await open({ level: 'silent' })
  log.fatal('a')
  t.strictSame(lines, [])
})

t.test('no secret leaves in any part of a record', async (t) => {
  const { log, lines } = await open()
  log.info(`message ${SECRET}`)
  log.info({ [SECRET]: 1, nested: { list: [SECRET] } }, 'fields')
  log.error({ err: new Error(`cause ${SECRET}`) }, 'error')
  log.child({ bound: SECRET }).info('child')
  t.equal(lines.length, 4)
  t.notMatch(lines.join(''), SECRET)
  t.equal(lines.filter((line) => line.includes('[redacted]')).length, 4)
})

t.test('a terminal shows a readable line, redacted as well', async (t) => {
  const { log, lines, arrival } = await open({ format: 'pretty' })
  log.info({ type: 'request', request_id: 'id', token: SECRET }, 'GET /Vendor 200')
  await arrival
  const [line = ''] = lines.map(stripVTControlCharacters)
  t.match(line, /^\[\d\d:\d\d:\d\d\.\d{3}\] INFO: GET \/Vendor 200 \{"token":"\[redacted\]"\}\n$/)
})

const withoutTime = (line: string | undefined): string =>
  (line ?? '').replace(/"written_at":"[^"]+","written_ts":\d+/, '"written"')

t.test('a line has what pino gives to all lines of the logger', async (t) => {
  const lines: string[] = []
  const log = await createLogger({
    level: 'info',
    format: 'json',
    destination: { write: (line) => void lines.push(line) },
    fields: { component_id: 'app', component_instance: '1' },
  })
  log.warn({ type: 'request', path: '/Vendor' }, 'done')
  lineWriter(log)('warn', ',"type":"request","path":"/Vendor","msg":"done"')
  const [ofPino, ours] = lines
  t.equal(withoutTime(ours), withoutTime(ofPino))
  t.match(ours, /"written_ts":\d{19}/)
})
