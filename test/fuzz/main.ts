/**
 * `npm run fuzz`: random and mutated requests over raw sockets, against the built proxy and an API
 * that takes nothing for granted. Ends with 1 if a request arrived that nobody sent, or outside the
 * base path, or without the token; if an answer was wrong, bare or missing; or if the proxy died.
 * `-- --seconds 60`, `-- --seed 7`.
 */
import { parseArgs } from 'node:util'
import { finish, integerOption, say, SEED_OPTION } from '../fixtures/harness.ts'
import { fuzz, progress, verdict } from './run.ts'

const { values } = parseArgs({
  options: { ...SEED_OPTION, seconds: { type: 'string', default: '60' } },
})
const seed = integerOption('seed', values.seed, 0)
const seconds = integerOption('seconds', values.seconds, 1)
say(`seed ${seed}, Node ${process.version}\n`)
const result = await fuzz({ seed, seconds, onProgress: (tally) => say(progress(tally)) })
say(verdict(result))
finish('fuzz', result.findings.length === 0 && result.faults.length === 0, seed)
