import { once } from 'node:events'
import { Writable } from 'node:stream'
import { stripVTControlCharacters } from 'node:util'
import t from 'tap'
import { createLogger, type LoggerOptions } from '../../src/logging/logger.ts'
import { Redactor } from '../../src/logging/redaction.ts'

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
  const baseline = { level: 'info', format: 'json', destination, redactor } as const
  const log = await createLogger({ ...baseline, ...changes })
  const records = () => lines.map((line) => JSON.parse(line) as Record<string, unknown>)
  return { log, lines, records, arrival }
}

t.test('a record is one line of JSON with the field names of SAP', async (t) => {
  const { log, lines, records } = await open()
  const before = Date.now()
  log.info({ port: 8080 }, 'listening')
  const [record] = records()
  t.strictSame(Object.keys(record ?? {}), ['level', 'written_at', 'type', 'port', 'msg'])
  t.match(record, { level: 'info', type: 'log', port: 8080, msg: 'listening' })
  t.match(lines, [/^\{.*\}\n$/])
  const writtenAt = String(record?.['written_at'])
  t.match(writtenAt, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
  t.ok(Date.parse(writtenAt) >= before && Date.parse(writtenAt) <= Date.now())
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
