/**
 * `npm run drill`: a minute of faults for the real proxy, between a token server and an API that
 * misbehave on purpose, then half a minute of rotating keys. Ends with 1 if anything happened that
 * never must; see judge.ts and rotation.ts.
 * `-- --seconds 120`, `-- --seed 7`, `-- --only "token server 429,healthy"`, `-- --log proxy.log`,
 * `-- --rotations 0`.
 */
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { createCertificateAuthority } from '../../demo/certificate-authority.ts'
import { finish, integerOption, refuse, say, SEED_OPTION, startClock } from '../fixtures/harness.ts'
import { judge } from './judge.ts'
import { PHASES, planFor } from './phases.ts'
import { progress, table, verdict } from './report.ts'
import { judgeRotation, rotationTable, runRotation } from './rotation.ts'
import { runDrill } from './run.ts'

/** Breaches that are shown in full. */
const MAX_SHOWN = 10

const phasesFor = (only: string | undefined) => {
  if (only === undefined) return PHASES
  const names = only.split(',')
  const unknown = names.find((name) => !PHASES.some((phase) => phase.name === name))
  const known = PHASES.map(({ name }) => name).join(',')
  return unknown === undefined
    ? PHASES.filter(({ name }) => names.includes(name))
    : refuse(`--only: no phase is called "${unknown}"; there are ${known}`)
}

/** Both kinds of key at the same time. */
const rotate = async (): Promise<readonly string[]> => {
  const authority = await createCertificateAuthority()
  const options = { authority, seed, rotations, perSecond: 200 }
  const records = await Promise.all(
    (['secret', 'x509'] as const).map((type) =>
      runRotation({ ...options, type, onStep: (step) => tell(`rotation of ${type}: ${step}`) }),
    ),
  )
  const breaches = records.flatMap(judgeRotation)
  for (const record of records) say(`\n${rotationTable(record)}`)
  say(`\nrotation: ${breaches.length === 0 ? 'ok; no read failed' : 'FAILED'}\n`)
  for (const breach of breaches.slice(0, MAX_SHOWN)) say(`  ${breach}\n`)
  return breaches
}

const { values } = parseArgs({
  options: {
    ...SEED_OPTION,
    seconds: { type: 'string', default: '60' },
    only: { type: 'string' },
    log: { type: 'string' },
    rotations: { type: 'string', default: '10' },
  },
})
const plan = planFor(integerOption('seconds', values.seconds, 1), phasesFor(values.only))
const rotations = integerOption('rotations', values.rotations, 0)
const seed = integerOption('seed', values.seed, 0)
say(`seed ${seed}, Node ${process.version}\n`)
const tell = startClock()
const run = await runDrill({
  plan,
  seed,
  onStretch: ({ name }) => tell(name),
  onProgress: ({ calls }) => tell(`… ${progress(calls)}`),
})
if (values.log !== undefined) writeFileSync(values.log, run.log)
const violations = judge(run)
say(`\n${table(run)}\n${verdict(run, violations)}`)
const breaches = rotations > 0 ? await rotate() : []
finish('drill', violations.length + breaches.length === 0, seed)
