/**
 * `npm run soak -- --minutes 30`: ten callers with mixed traffic through the real proxy, while keys
 * rotate and token server and API fail in turns. Ends with 1 if a write was lost or doubled, if memory
 * or descriptors grow, or if anything else went wrong; see judgement.ts.
 * `-- --seed 7`, `-- --callers 20`, `-- --svg soak.svg`, `-- --json soak.json`, `-- --publish`: into
 * docs/performance.md.
 */
import { writeFileSync } from 'node:fs'
import process from 'node:process'
import { parseArgs } from 'node:util'
import { endTogether } from '../drill/end-together.ts'
import { endProxies } from '../drill/proxy.ts'
import { chart } from './chart.ts'
import { isPassed, judge } from './judgement.ts'
import { publish } from './publish.ts'
import { particulars, summary, table } from './report.ts'
import { runSoak } from './run.ts'

const say = (text: string): void => {
  process.stdout.write(text)
}

const refuse = (problem: string): never => {
  process.stderr.write(`${problem}\n`)
  process.exit(2)
}

const number = (name: string, value: string, isRight: (parsed: number) => boolean): number => {
  const parsed = Number(value)
  return isRight(parsed) ? parsed : refuse(`--${name} ${value}: not a number that makes sense here`)
}

const optionsOf = () => {
  const { values } = parseArgs({
    options: {
      minutes: { type: 'string', default: '2' },
      callers: { type: 'string', default: '10' },
      seed: { type: 'string', default: String(Math.floor(Math.random() * 1e6)) },
      svg: { type: 'string' },
      json: { type: 'string' },
      publish: { type: 'boolean', default: false },
    },
  })
  return {
    ...values,
    minutes: number('minutes', values.minutes, (n) => n > 0 && n <= 24 * 60),
    callers: number('callers', values.callers, (n) => Number.isInteger(n) && n > 0),
    seed: number('seed', values.seed, Number.isInteger),
  }
}

const options = optionsOf()
endTogether(endProxies)
const { minutes, callers, seed } = options
say(`seed ${seed}, Node ${process.version}, ${minutes} minutes\n`)
const startedAt = performance.now()
const clock = (): string => `${((performance.now() - startedAt) / 1000).toFixed(1)} s`.padStart(9)
const record = await runSoak({
  minutes,
  callers,
  seed,
  onStretch: (name) => say(`${clock()}  ${name}\n`),
  onProgress: (text) => say(`${clock()}  … ${text}\n`),
})
const findings = judge(record)
say(`\n${summary(record).join('\n')}\n\n${particulars(record)}\n${table(findings)}`)
if (options.json !== undefined) writeFileSync(options.json, JSON.stringify(record))
if (options.svg !== undefined) writeFileSync(options.svg, chart(record))
if (options.publish) await publish(record, findings)
const passed = isPassed(findings)
say(passed ? '\nsoak: ok\n' : `\nsoak: FAILED\nagain with: npm run soak -- --seed ${seed}\n`)
// Not only a code: nothing that a fault has left behind may keep this process.
process.exit(passed ? 0 : 1)
