/**
 * `npm run fuzz`: random and mutated requests over raw sockets, against the built proxy and an API
 * that takes nothing for granted. Ends with 1 if a request arrived that nobody sent, or outside the
 * base path, or without the token; if an answer was wrong, bare or missing; or if the proxy died.
 * `-- --seconds 60`, `-- --seed 7`.
 */
import process from 'node:process'
import { parseArgs } from 'node:util'
import { endTogether } from '../drill/end-together.ts'
import { endProxies } from '../drill/proxy.ts'
import { progress, verdict } from './report.ts'
import { fuzz } from './run.ts'

const number = (name: string, value: string, least: number): number => {
  const parsed = Number(value)
  if (Number.isInteger(parsed) && parsed >= least) return parsed
  process.stderr.write(`--${name} must be an integer from ${least}\n`)
  process.exit(2)
}

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 1e6)) },
  },
})
const seed = number('seed', values.seed, 0)
const seconds = number('seconds', values.seconds, 1)

endTogether(endProxies)

process.stdout.write(`seed ${seed}, Node ${process.version}\n`)
const result = await fuzz({
  seed,
  seconds,
  onProgress: (tally) => process.stdout.write(progress(tally)),
})
process.stdout.write(verdict(result))
const isClean = result.findings.length === 0 && result.faults.length === 0
if (!isClean) process.stdout.write(`again with: npm run fuzz -- --seed ${seed}\n`)
process.exit(isClean ? 0 : 1)
