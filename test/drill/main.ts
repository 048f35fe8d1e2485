/**
 * `npm run drill`: a minute of faults for the real proxy, between a token server and an API that
 * misbehave on purpose, then half a minute of rotating keys. Ends with 1 if anything happened that
 * never must; see violation.ts and rotation/judge.ts.
 * `-- --seconds 120`, `-- --seed 7`, `-- --only "token server 429,healthy"`, `-- --log proxy.log`,
 * `-- --rotations 0`.
 */
import { writeFileSync } from 'node:fs'
import process from 'node:process'
import { parseArgs } from 'node:util'
import { createCertificateAuthority } from '../../demo/certificate-authority.ts'
import { endTogether } from './end-together.ts'
import { judge } from './judge.ts'
import { PHASES, planFor } from './phases.ts'
import { endProxies } from './proxy.ts'
import { progress, table, verdict } from './report.ts'
import { judgeRotation, rotationTable } from './rotation/judge.ts'
import { runRotation } from './rotation/run.ts'
import { runDrill } from './run.ts'

/** Breaches that are shown in full. */
const MAX_SHOWN = 10

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
      rotations: { type: 'string', default: '10' },
    },
  })
  const plan = planFor(number('seconds', values.seconds, 1), phasesFor(values.only))
  const rotations = number('rotations', values.rotations, 0)
  return { plan, seed: number('seed', values.seed, 0), log: values.log, rotations }
}

/** Both kinds of key at the same time. */
const rotate = async (): Promise<readonly string[]> => {
  const authority = await createCertificateAuthority()
  const records = await Promise.all(
    (['secret', 'x509'] as const).map((type) =>
      runRotation({
        type,
        authority,
        seed,
        rotations,
        perSecond: 200,
        onStep: (step) => say(`${clock()}  rotation of ${type}: ${step}\n`),
      }),
    ),
  )
  const breaches = records.flatMap(judgeRotation)
  for (const record of records) say(`\n${rotationTable(record)}`)
  say(`\nrotation: ${breaches.length === 0 ? 'ok; no read failed' : 'FAILED'}\n`)
  for (const breach of breaches.slice(0, MAX_SHOWN)) say(`  ${breach}\n`)
  return breaches
}

const { plan, seed, log, rotations } = optionsOf()
endTogether(endProxies)
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
const breaches = rotations > 0 ? await rotate() : []
const failed = violations.length + breaches.length > 0
if (failed) say(`again with: npm run drill -- --seed ${seed}\n`)
// Not only a code: nothing that a fault has left behind may keep this process.
process.exit(failed ? 1 : 0)
