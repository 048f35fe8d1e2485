/** What a run does, as told on its command line. */
import { parseArgs } from 'node:util'
import type { Peer } from './peers.ts'
import { SCENARIOS, type Scenario } from './scenarios.ts'

export interface Plan {
  readonly rounds: number
  /** Of one round. */
  readonly seconds: number
  /** Seconds. */
  readonly warmUp: number
  /** So many at most, where there are not enough requests in one. */
  readonly warmUps: number
  readonly starts: number
  /** Seconds of load while tokens are renewed; 0: none. */
  readonly renewal: number
  readonly scenarios: readonly Scenario[]
  readonly peers: readonly Peer[]
  /** Whether results are written to files. */
  readonly keep: boolean
}

export const USAGE = `npm run bench [-- options]

  --quick             two scenarios, short rounds: less than two minutes, nothing is kept
  --peers a,b         only these
  --scenarios a,b     only these
  --rounds n          of every peer in every scenario (5)
  --seconds n         of a round (3)
  --starts n          of every peer (7)
  --renewal n         seconds of load while tokens are renewed (50)
  --keep              write the results, even of a quick run
`

const THOROUGH = { rounds: 5, seconds: 3, warmUp: 3, warmUps: 5, starts: 7, renewal: 50 }
const QUICK = { rounds: 2, seconds: 1, warmUp: 1, warmUps: 1, starts: 1, renewal: 0 }
const QUICK_SCENARIOS = 'get-32,get-100k'
const USUAL_SCENARIOS = SCENARIOS.filter(({ special }) => special !== true)
  .map(({ id }) => id)
  .join(',')

const options = {
  help: { type: 'boolean' },
  quick: { type: 'boolean' },
  keep: { type: 'boolean' },
  peers: { type: 'string' },
  scenarios: { type: 'string' },
  rounds: { type: 'string' },
  seconds: { type: 'string' },
  starts: { type: 'string' },
  renewal: { type: 'string' },
} as const

const chosen = <T extends { readonly id: string }>(
  all: readonly T[],
  list: string | undefined,
): T[] => {
  const ids = list?.split(',')
  const unknown = ids?.find((wanted) => !all.some(({ id }) => id === wanted))
  if (unknown !== undefined) {
    throw new Error(`no "${unknown}"; there are ${all.map(({ id }) => id).join(', ')}`)
  }
  return all.filter(({ id }) => ids === undefined || ids.includes(id))
}

/** @returns `undefined`: only the usage is wanted */
export const planOf = (args: readonly string[], peers: readonly Peer[]): Plan | undefined => {
  const { values } = parseArgs({ args: [...args], options })
  if (values.help === true) return undefined
  const quick = values.quick === true
  const usual = quick ? QUICK : THOROUGH
  return {
    rounds: Number(values.rounds ?? usual.rounds),
    seconds: Number(values.seconds ?? usual.seconds),
    warmUp: usual.warmUp,
    warmUps: usual.warmUps,
    starts: Number(values.starts ?? usual.starts),
    renewal: Number(values.renewal ?? usual.renewal),
    scenarios: chosen(SCENARIOS, values.scenarios ?? (quick ? QUICK_SCENARIOS : USUAL_SCENARIOS)),
    peers: chosen(peers, values.peers),
    keep: !quick || values.keep === true,
  }
}
