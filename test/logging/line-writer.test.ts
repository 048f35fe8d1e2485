import t from 'tap'
import { createLogger } from '../../src/logging/logger.ts'
import { lineWriter } from '../../src/logging/line-writer.ts'

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
