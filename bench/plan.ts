/** What a run does, as told on its command line. */
import { parseArgs } from 'node:util'
import { limitOf, type Limit } from './cgroup.ts'
import { contestantsOf } from './paired.ts'
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
  /** The peers are alike, and compared with the first of them. */
  readonly paired: boolean
  /** Of the container that each proxy runs in; `undefined`: none. */
  readonly limit: Limit | undefined
  /** Whether results are written to files. */
  readonly keep: boolean
}

export const USAGE = `npm run bench [-- options]

  --quick             two scenarios, short rounds: less than two minutes, nothing is kept
  --peers a,b         only these
  --scenarios a,b     only these (${SCENARIOS.map(({ id }) => id).join(', ')})
  --downloads         only the scenario "downloads": eight of 10 MB at a time
  --rounds n          of every peer in every scenario (5; paired: 11)
  --seconds n         of a round (3)
  --starts n          of every peer (7; paired: 0)
  --renewal n         seconds of load while tokens are renewed (50; paired: 0)
  --container m[,n]   each proxy in a control group of that memory and so many CPUs: 256m,1
                      (needs root and Linux)
  --paired a=file,…   instead of the peers: built proxies, compared with the first of them,
                      nothing is kept; "plain-http-proxy" as a file is that peer.
                      "a=file@--flag --other" gives one its own flags of Node, "a=file@" none
  --flags="…"         of Node, for those that are paired and have no own (those of npm start)
  --keep              write the results, even of a quick or paired run
`

const THOROUGH = { rounds: 5, seconds: 3, warmUp: 3, warmUps: 5, starts: 7, renewal: 50 }
const QUICK = { rounds: 2, seconds: 1, warmUp: 1, warmUps: 1, starts: 1, renewal: 0 }
const PAIRED = { ...THOROUGH, rounds: 11, starts: 0, renewal: 0 }
const QUICK_SCENARIOS = 'get-32,get-100k'
const PAIRED_SCENARIOS = 'get-32,get-256,post-32,links-100k,down-10m'

const options = {
  help: { type: 'boolean' },
  quick: { type: 'boolean' },
  keep: { type: 'boolean' },
  peers: { type: 'string' },
  scenarios: { type: 'string' },
  downloads: { type: 'boolean' },
  rounds: { type: 'string' },
  seconds: { type: 'string' },
  starts: { type: 'string' },
  renewal: { type: 'string' },
  container: { type: 'string' },
  paired: { type: 'string' },
  flags: { type: 'string' },
} as const

const optionsOf = (args: readonly string[]) => parseArgs({ args: [...args], options }).values

type Options = ReturnType<typeof optionsOf>

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

const usualOf = ({ quick, paired }: Options) => {
  if (quick === true) return { ...QUICK, scenarios: QUICK_SCENARIOS }
  if (paired !== undefined) return { ...PAIRED, scenarios: PAIRED_SCENARIOS }
  const all = SCENARIOS.filter(({ special }) => special !== true)
  return { ...THOROUGH, scenarios: all.map(({ id }) => id).join(',') }
}

/** @returns `undefined`: only the usage is wanted */
export const planOf = (args: readonly string[], peers: readonly Peer[]): Plan | undefined => {
  const given = optionsOf(args)
  if (given.help === true) return undefined
  const { quick = false, paired, container, flags, downloads } = given
  const asked = { ...usualOf(given), ...given }
  const contestants = paired === undefined ? peers : contestantsOf(paired, flags)
  return {
    rounds: Number(asked.rounds),
    seconds: Number(asked.seconds),
    warmUp: asked.warmUp,
    warmUps: asked.warmUps,
    starts: Number(asked.starts),
    renewal: Number(asked.renewal),
    scenarios: chosen(SCENARIOS, downloads === true ? 'downloads' : asked.scenarios),
    peers: chosen(contestants, given.peers),
    paired: paired !== undefined,
    limit: container === undefined ? undefined : limitOf(container),
    keep: given.keep ?? !(quick || paired !== undefined),
  }
}
