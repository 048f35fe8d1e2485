/**
 * `npm run bench`: what a request through this proxy costs, and through what one would use instead,
 * in rounds that take turns. `-- --quick` takes less than two minutes and is less sure. `-- --help`.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { cpus, loadavg } from 'node:os'
import { fileURLToPath } from 'node:url'
import { endChildrenAtExit } from './children.ts'
import { chart } from './chart.ts'
import { untilRight } from './first-answer.ts'
import { cgroupsOf, describeLimit, type Cgroups } from './cgroup.ts'
import { generatorHere } from './load.ts'
import { planOf, USAGE, type Plan } from './plan.ts'
import { installPeers } from './peer-packages.ts'
import { PEERS, type Peer, type Proxy } from './peers.ts'
import { pin } from './pinning.ts'
import { proxyStarter } from './proxy-process.ts'
import { reachTable } from './reach.ts'
import { measureRenewal } from './renewal.ts'
import { show, type Outcome, type Results, type Round, type Start, type Starts } from './results.ts'
import { measure } from './round.ts'
import type { Scenario } from './scenarios.ts'
import { measureStart } from './start-up.ts'
import { startSurroundings, type Surroundings } from './surroundings.ts'
import { cpuTable, pairedStarts, pairedTable, scenarioTable, startTable } from './tables.ts'

/** More requests than one connection makes, for the compiler to see. */
const WARM_UP_CONNECTIONS = 32

const WARM_REQUESTS = 10_000

interface Contestant {
  readonly peer: Peer
  readonly proxy: Proxy | undefined
  readonly rounds: Round[]
  failure?: string
}

const say = (text: string): void => {
  process.stdout.write(text)
}

const generator = generatorHere()

/** A process that has ended explains what its callers notice. */
const failureOf = (proxy: Proxy | undefined, error: unknown): string =>
  proxy?.child.fate() ?? (error as Error).message

/** Every scenario has new processes, so that its memory is its own. */
const enter = async (
  peer: Peer,
  scenario: Scenario,
  surroundings: Surroundings,
): Promise<Contestant> => {
  let proxy: Proxy | undefined
  try {
    proxy = await peer.start(surroundings, scenario.tls === true)
    await untilRight(proxy, scenario)
    return { peer, proxy, rounds: [] }
  } catch (error) {
    return { peer, proxy, rounds: [], failure: failureOf(proxy, error) }
  }
}

const takeRound = async (
  contestant: Contestant,
  scenario: Scenario,
  seconds: number,
  surroundings: Surroundings,
): Promise<Round | undefined> => {
  const { peer, proxy } = contestant
  if (contestant.failure !== undefined || proxy === undefined) return undefined
  const hasProcess = peer.noProcess !== true
  try {
    return await measure({ proxy, scenario, seconds, generator, surroundings, hasProcess })
  } catch (error) {
    contestant.failure = failureOf(proxy, error)
    return undefined
  }
}

/** By requests, because a busy machine serves few of them in the same time. */
const warmUp = async (
  contestant: Contestant,
  scenario: Scenario,
  { warmUp: seconds, warmUps }: Plan,
  surroundings: Surroundings,
): Promise<void> => {
  const huge = scenario.perGigabyte === true
  const connections = huge ? scenario.connections : WARM_UP_CONNECTIONS
  const wanted = huge ? 0 : WARM_REQUESTS
  let served = 0
  for (let tries = 0; tries === 0 || (served < wanted && tries < warmUps); tries++) {
    const round = await takeRound(contestant, { ...scenario, connections }, seconds, surroundings)
    if (round === undefined) return
    served += round.perSecond * seconds
  }
}

const outcomeOf = ({ peer, proxy, rounds, failure }: Contestant, scenario: Scenario): Outcome => {
  const reason = failure ?? proxy?.child.fate()
  return {
    scenario: scenario.id,
    peer: peer.id,
    rounds,
    peak: proxy?.child.peak(),
    containerPeak: proxy?.child.containerPeak(),
    ...(reason === undefined ? {} : { failure: reason }),
  }
}

const takeRounds = async (
  contestants: readonly Contestant[],
  scenario: Scenario,
  plan: Plan,
  surroundings: Surroundings,
): Promise<void> => {
  const digits = scenario.perGigabyte === true ? 2 : 0
  for (let round = 1; round <= plan.rounds; round++) {
    say(`  round ${round}/${plan.rounds} `)
    // Whoever comes after another does so in every second round only.
    for (const contestant of round % 2 === 1 ? contestants : contestants.toReversed()) {
      const figures = await takeRound(contestant, scenario, plan.seconds, surroundings)
      if (figures !== undefined) contestant.rounds.push(figures)
      say(` ${contestant.peer.id} ${figures === undefined ? '–' : show(figures.cpu, digits)}`)
    }
    say('\n')
  }
}

const runScenario = async (
  scenario: Scenario,
  plan: Plan,
  surroundings: Surroundings,
): Promise<Outcome[]> => {
  say(`\n${scenario.name}\n`)
  const contestants: Contestant[] = []
  for (const peer of plan.peers) contestants.push(await enter(peer, scenario, surroundings))
  for (const contestant of contestants) await warmUp(contestant, scenario, plan, surroundings)
  await takeRounds(contestants, scenario, plan, surroundings)
  const outcomes = contestants.map((contestant) => outcomeOf(contestant, scenario))
  for (const { peer, failure } of outcomes) {
    if (failure !== undefined) say(`  ${peer} does not count: ${failure}\n`)
  }
  await Promise.all(contestants.map(async ({ proxy }) => proxy?.child.stop()))
  return outcomes
}

const runStarts = async (plan: Plan, surroundings: Surroundings): Promise<Starts[]> => {
  if (plan.starts === 0) return []
  say('\nstart to first proxied answer, ms\n')
  const peers = plan.peers.filter(({ noProcess }) => noProcess !== true)
  const starts = new Map<string, Start[]>(peers.map(({ id }) => [id, []]))
  for (let round = 1; round <= plan.starts; round++) {
    say(`  round ${round}/${plan.starts} `)
    for (const peer of peers) {
      const start = await measureStart(peer, surroundings).catch(() => undefined)
      if (start !== undefined) starts.get(peer.id)?.push(start)
      say(` ${peer.id} ${show(start?.time)}`)
    }
    say('\n')
  }
  return [...starts].map(([peer, each]) => ({ peer, starts: each }))
}

const settingOf = (plan: Plan, pinning: string): string[] => {
  const [processor] = cpus()
  const container =
    plan.limit === undefined ? '' : `; each proxy in a container of ${describeLimit(plan.limit)}`
  return [
    `${cpus().length} CPUs (${processor?.model ?? 'unknown'}), ${pinning}${container}`,
    `${plan.rounds} rounds of ${plan.seconds} s after ${plan.warmUp} s of warm-up, by ${generator}; load average before: ${show(loadavg()[0], 1)}`,
  ]
}

const available = (peers: readonly Peer[]): Peer[] =>
  peers.filter(({ name, unavailable }) => {
    const reason = unavailable?.()
    if (reason !== undefined) say(`${name} is left out: ${reason}\n`)
    return reason === undefined
  })

const run = async (asked: Plan, containers: Cgroups | undefined): Promise<Results> => {
  if (!asked.paired) installPeers(say)
  endChildrenAtExit()
  const plan = { ...asked, peers: available(asked.peers) }
  const pinning = pin()
  const setting = settingOf(plan, pinning.description)
  say(`Node ${process.version}\n${setting.join('\n')}\n`)
  const surroundings = await startSurroundings(proxyStarter(pinning, containers))
  const outcomes: Outcome[] = []
  for (const scenario of plan.scenarios) {
    outcomes.push(...(await runScenario(scenario, plan, surroundings)))
  }
  const starts = await runStarts(plan, surroundings)
  if (plan.renewal > 0) say('\na token renewed under load\n')
  const renewal = plan.renewal > 0 ? await measureRenewal(surroundings, plan.renewal) : undefined
  if (renewal !== undefined) say(`  ${JSON.stringify(renewal)}\n`)
  surroundings.close()
  const date = new Date().toISOString().slice(0, 10)
  const peers = plan.peers.map(({ id, name }) => ({ id, name }))
  const node = process.version.slice(1)
  return { date, node, setting, peers, scenarios: plan.scenarios, outcomes, starts, renewal }
}

const headOf = ({ node, date, setting }: Results): string =>
  `## Node ${node}, ${date}\n\n${setting.join('. ')}.`

const pairedReport = (results: Results): string => {
  const tables = results.scenarios.map(({ id }) => pairedTable(results, id))
  const starts = results.starts.length === 0 ? [] : [pairedStarts(results)]
  return `${[headOf(results), ...tables, ...starts].join('\n\n')}\n`
}

const report = (results: Results): string => `${headOf(results)}

${results.scenarios.map(({ id }) => scenarioTable(results, id)).join('\n\n')}

${cpuTable(results)}

${startTable(results)}

${reachTable([results])}
`

const folder = fileURLToPath(new URL('results/', import.meta.url))

const keep = (results: Results, { paired }: Plan, text: string): string => {
  mkdirSync(folder, { recursive: true })
  const major = results.node.split('.')[0]
  const base = `${folder}${results.date}-node${major}${paired ? '-paired' : ''}`
  writeFileSync(`${base}.json`, `${JSON.stringify(results)}\n`)
  writeFileSync(`${base}.md`, text)
  const svg = paired ? undefined : chart(results)
  if (svg !== undefined) writeFileSync(`${base}.svg`, svg)
  return base
}

const runAndReport = async (plan: Plan): Promise<void> => {
  const containers = plan.limit === undefined ? undefined : cgroupsOf(plan.limit)
  if (typeof containers === 'string') return say(`skipped: no containers here: ${containers}\n`)
  const results = await run(plan, containers)
  const text = plan.paired ? pairedReport(results) : report(results)
  say(`\n${text}`)
  if (plan.keep) say(`\nkept as ${keep(results, plan, text)}.*\n`)
  else if (!plan.paired) say('\nQuick: a check that it runs, not figures to quote.\n')
}

const plan = planOf(process.argv.slice(2), PEERS)
if (plan === undefined) {
  say(USAGE)
} else {
  await runAndReport(plan)
  process.exit()
}
