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
import { generatorHere } from './load.ts'
import { planOf, USAGE, type Plan } from './plan.ts'
import { peakMegabytes } from './process-figures.ts'
import { installPeers } from './peer-packages.ts'
import { PEERS, type Peer, type Proxy } from './peers.ts'
import { pin } from './pinning.ts'
import { reachTable } from './reach.ts'
import { measureRenewal } from './renewal.ts'
import { show, type Outcome, type Results, type Round, type Start, type Starts } from './results.ts'
import { measure } from './round.ts'
import type { Scenario } from './scenarios.ts'
import { measureStart } from './start-up.ts'
import { startSurroundings, type Surroundings } from './surroundings.ts'
import { cpuTable, scenarioTable, startTable } from './tables.ts'

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
    return { peer, proxy, rounds: [], failure: (error as Error).message }
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
    contestant.failure = (error as Error).message
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
  const measured = proxy !== undefined && peer.noProcess !== true
  return {
    scenario: scenario.id,
    peer: peer.id,
    rounds,
    peak: measured ? peakMegabytes(proxy.child.pid) : undefined,
    ...(failure === undefined ? {} : { failure }),
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
  for (let round = 1; round <= plan.rounds; round++) {
    say(`  round ${round}/${plan.rounds} `)
    for (const contestant of contestants) {
      const figures = await takeRound(contestant, scenario, plan.seconds, surroundings)
      if (figures !== undefined) contestant.rounds.push(figures)
      const digits = scenario.perGigabyte === true ? 2 : 0
      say(` ${contestant.peer.id} ${figures === undefined ? '–' : show(figures.cpu, digits)}`)
    }
    say('\n')
  }
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
  return [
    `${cpus().length} CPUs (${processor?.model ?? 'unknown'}), ${pinning}`,
    `${plan.rounds} rounds of ${plan.seconds} s after ${plan.warmUp} s of warm-up, by ${generator}; load average before: ${show(loadavg()[0], 1)}`,
  ]
}

const available = (peers: readonly Peer[]): Peer[] =>
  peers.filter(({ name, unavailable }) => {
    const reason = unavailable?.()
    if (reason !== undefined) say(`${name} is left out: ${reason}\n`)
    return reason === undefined
  })

const run = async (asked: Plan): Promise<Results> => {
  installPeers(say)
  endChildrenAtExit()
  const plan = { ...asked, peers: available(asked.peers) }
  const { description, proxyCommand } = pin()
  const setting = settingOf(plan, description)
  say(`Node ${process.version}\n${setting.join('\n')}\n`)
  const surroundings = await startSurroundings(proxyCommand)
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

const report = (results: Results): string => `## Node ${results.node}, ${results.date}

${results.setting.join('. ')}.

${results.scenarios.map(({ id }) => scenarioTable(results, id)).join('\n\n')}

${cpuTable(results)}

${startTable(results)}

${reachTable([results])}
`

const folder = fileURLToPath(new URL('results/', import.meta.url))

const keep = (results: Results): string => {
  mkdirSync(folder, { recursive: true })
  const base = `${folder}${results.date}-node${results.node.split('.')[0]}`
  writeFileSync(`${base}.json`, `${JSON.stringify(results)}\n`)
  writeFileSync(`${base}.md`, report(results))
  const svg = chart(results)
  if (svg !== undefined) writeFileSync(`${base}.svg`, svg)
  return base
}

const plan = planOf(process.argv.slice(2), PEERS)
if (plan === undefined) {
  say(USAGE)
} else {
  const results = await run(plan)
  say(`\n${report(results)}`)
  if (plan.keep) say(`\nkept as ${keep(results)}.json, .md and .svg\n`)
  else say('\nQuick: a check that it runs, not figures to quote.\n')
  process.exit()
}
