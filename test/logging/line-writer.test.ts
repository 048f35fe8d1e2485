import t from 'tap'
import { pino } from 'pino'
import { createLogger } from '../../src/logging/logger.ts'
import { lineWriter } from '../../src/logging/line-writer.ts'
import { Redactor } from '../../src/logging/redaction.ts'

const sink = () => {
  const lines: string[] = []
  return { lines, destination: { write: (line: string) => void lines.push(line) } }
}

const withoutTime = (line: string | undefined): string =>
  (line ?? '').replace(/"written_at":"[^"]+","written_ts":\d+/, '"written"')

t.test('a line has what pino gives to all lines of the logger', async (t) => {
  const { lines, destination } = sink()
  const redactor = new Redactor()
  redactor.addSecret('canary-secret')
  const fields = { component_id: 'app', worker: '1' }
  const log = await createLogger({
    level: 'info',
    format: 'json',
    color: false,
    destination,
    redactor,
    fields,
  })
  log.warn({ type: 'request', path: '/canary-secret' }, 'done')
  lineWriter(log)('warn', ',"type":"request","path":"/canary-secret","msg":"done"')
  const [ofPino, ours] = lines
  t.match(ofPino, /\[redacted\]/)
  t.equal(withoutTime(ours), withoutTime(ofPino))
  t.match(ours, /"written_ts":\d{19}/)
})

t.test('a logger without redaction has none', async (t) => {
  const { lines, destination } = sink()
  lineWriter(pino({ timestamp: false, base: null }, destination))('info', ',"msg":"plain"')
  t.same(lines, ['{"level":30,"msg":"plain"}\n'])
})
