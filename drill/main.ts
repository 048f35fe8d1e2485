/**
 * `npm run drill`: a minute of faults for the real proxy, between a token server and an API that
 * misbehave on purpose. Ends with 1 if anything happened that never must; see violation.ts.
 * `-- --seconds 120`, `-- --seed 7`, `-- --only "token server 429,healthy"`, `-- --log proxy.log`.
 */
import { writeFileSync } from 'node:fs'
import process from 'node:process'
import { parseArgs } from 'node:util'
import { judge } from './judge.ts'
import { PHASES, planFor } from './phases.ts'
import { endProxies } from './proxy.ts'
import { progress, table, verdict } from './report.ts'
import { runDrill } from './run.ts'

const say = (text: string): void => {
  process.stdout.write(text)
}

const refuse = (problem: string): never => {
  process.stderr.write(`${problem}\n`)
  process.exit(2)
}

const number = (name: string, value: string, least: number): number => {
  const parsed = Number(value)
  return Number.isInteger(parsed) && parsed >= least
    ? parsed
    : refuse(`--${name} must be an integer from ${least}`)
}

const phasesFor = (only: string | undefined) => {
  if (only === undefined) return PHASES
  const names = only.split(',')
  const unknown = names.find((name) => !PHASES.some((phase) => phase.name === name))
  const known = PHASES.map(({ name }) => name).join(',')
  return unknown === undefined
    ? PHASES.filter(({ name }) => names.includes(name))
    : refuse(`--only: no phase is called "${unknown}"; there are ${known}`)
}

const optionsOf = () => {
  const { values } = parseArgs({
    options: {
      seconds: { type: 'string', default: '60' },
      seed: { type: 'string', default: String(Math.floor(Math.random() * 1e6)) },
      only: { type: 'string' },
      log: { type: 'string' },
    },
  })
  const plan = planFor(number('seconds', values.seconds, 1), phasesFor(values.only))
  return { plan, seed: number('seed', values.seed, 0), log: values.log }
}

/** However this process ends, the proxy ends with it. */
const endTogether = (): void => {
  process.on('exit', endProxies)
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const) {
    process.on(signal, () => process.exit(code))
  }
}

const { plan, seed, log } = optionsOf()
endTogether()
say(`seed ${seed}, Node ${process.version}\n`)
const startedAt = performance.now()
const clock = (): string => `${((performance.now() - startedAt) / 1000).toFixed(1)} s`.padStart(8)
const run = await runDrill({
  plan,
  seed,
  onSegment: ({ name }) => say(`${clock()}  ${name}\n`),
  onProgress: ({ calls }) => say(`${clock()}  … ${progress(calls)}\n`),
})
if (log !== undefined) writeFileSync(log, run.log)
const violations = judge(run)
say(`\n${table(run)}\n${verdict(run, violations)}`)
if (violations.length > 0) say(`again with: npm run drill -- --seed ${seed}\n`)
// Not only a code: nothing that a fault has left behind may keep this process.
process.exit(violations.length > 0 ? 1 : 0)
