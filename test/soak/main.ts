/**
 * `npm run soak -- --minutes 30`: ten callers with mixed traffic through the real proxy, while keys
 * rotate and token server and API fail in turns. Ends with 1 if a write was lost or doubled, if memory
 * or descriptors grow, or if anything else went wrong; see judgement.ts.
 * `-- --seed 7`, `-- --callers 20`, `-- --svg soak.svg`, `-- --json soak.json`, `-- --publish`: into
 * docs/performance.md.
 */
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { finish, integerOption, refuse, say, SEED_OPTION, startClock } from '../fixtures/harness.ts'
import { chart } from './chart.ts'
import { isPassed, judge } from './judgement.ts'
import { particulars, publish, summary, table } from './report.ts'
import { runSoak } from './run.ts'

const { values } = parseArgs({
  options: {
    ...SEED_OPTION,
    minutes: { type: 'string', default: '2' },
    callers: { type: 'string', default: '10' },
    svg: { type: 'string' },
    json: { type: 'string' },
    publish: { type: 'boolean', default: false },
  },
})
const minutes = Number(values.minutes)
if (!(minutes > 0 && minutes <= 24 * 60)) refuse('--minutes must be a number, up to a day')
const callers = integerOption('callers', values.callers, 1)
const seed = integerOption('seed', values.seed, 0)
say(`seed ${seed}, Node ${process.version}, ${minutes} minutes\n`)
const tell = startClock()
const record = await runSoak({
  minutes,
  callers,
  seed,
  onStretch: tell,
  onProgress: (text) => tell(`… ${text}`),
})
const findings = judge(record)
say(`\n${summary(record).join('\n')}\n\n${particulars(record)}\n${table(findings)}`)
if (values.json !== undefined) writeFileSync(values.json, JSON.stringify(record))
if (values.svg !== undefined) writeFileSync(values.svg, chart(record))
if (values.publish) await publish(record, findings)
const passed = isPassed(findings)
say(`\nsoak: ${passed ? 'ok' : 'FAILED'}\n`)
finish('soak', passed, seed)
