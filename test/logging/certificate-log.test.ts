import t from 'tap'
import { createLogger } from '../../src/logging/logger.ts'
import { watchCertificate } from '../../src/logging/certificate-log.ts'
import { ManualClock } from '../fixtures/manual-clock.ts'

const HOUR_MS = 3_600_000

t.test('warns before the certificate expires, every hour, until it is stopped', async (t) => {
  const lines: Record<string, unknown>[] = []
  const clock = new ManualClock()
  const log = await createLogger({
    level: 'info',
    format: 'json',
    destination: { write: (line) => lines.push(JSON.parse(line) as Record<string, unknown>) },
  })
  const notBefore = clock.now().wall
  const validity = { notBefore, notAfter: notBefore + 100 * HOUR_MS }
  const stop = watchCertificate({ log, clock, validity })
  await clock.advance(28 * HOUR_MS)
  t.same(lines, [], 'nothing while there is time')
  await clock.advance(HOUR_MS)
  t.match(lines, [
    {
      level: 'warn',
      expiry: new Date(validity.notAfter).toISOString(),
      hours_left: 71,
      msg: 'the client certificate of the service key expires soon',
    },
  ])
  await clock.advance(48 * HOUR_MS)
  t.match(lines.at(-1), { level: 'error', hours_left: 23 })
  stop()
  t.equal(clock.pending, 0)
})
