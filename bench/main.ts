/**
 * `npm run bench`: CPU per request of this proxy as shipped and of a plain @fastify/http-proxy,
 * in rounds that take turns. `-- --quick` takes less than a minute and is less sure.
 */
import { existsSync } from 'node:fs'
import { cpus, loadavg } from 'node:os'
import { parseArgs } from 'node:util'
import { endChildrenAtExit } from './children.ts'
import { pin } from './pinning.ts'
import { peakMegabytes } from './process-figures.ts'
import {
  plainHttpProxy,
  serviceKeyProxy,
  startUpstream,
  untilRight,
  type Peer,
  type Proxy,
  type Surroundings,
} from './proxies.ts'
import { show, table, type Outcome } from './report.ts'
import { measure, type Round } from './round.ts'
import { scenarios, type Scenario } from './scenarios.ts'
import { startTokenServer } from './token-server.ts'

interface Plan {
  readonly rounds: number
  /** Seconds. */
  readonly round: number
  readonly warmUp: number
}

const PEERS: readonly Peer[] = [serviceKeyProxy, plainHttpProxy]
const BASELINE = plainHttpProxy
const THOROUGH: Plan = { rounds: 5, round: 5, warmUp: 5 }
const QUICK: Plan = { rounds: 3, round: 2, warmUp: 2 }
/** More requests than one connection makes, for the compiler to see. */
const WARM_UP_CONNECTIONS = 32

interface Contestant {
  readonly peer: Peer
  readonly proxy: Proxy
  readonly rounds: Round[]
}

const say = (text: string): void => {
  process.stdout.write(text)
}

/** Every scenario has new processes, so that its memory is its own. */
const startPeers = async (scenario: Scenario, surroundings: Surroundings) => {
  const contestants: Contestant[] = []
  for (const peer of PEERS) {
    const proxy = await peer.start(surroundings)
    await untilRight(proxy, scenario)
    contestants.push({ peer, proxy, rounds: [] })
  }
  return contestants
}

const runScenario = async (
  scenario: Scenario,
  plan: Plan,
  surroundings: Surroundings,
): Promise<Outcome[]> => {
  say(`\n${scenario.name}\n`)
  const contestants = await startPeers(scenario, surroundings)
  for (const { peer, proxy } of contestants) {
    say(`  warm-up    ${peer.name.padEnd(18)}`)
    await measure(proxy, { ...scenario, connections: WARM_UP_CONNECTIONS }, plan.warmUp)
    say('done\n')
  }
  for (let round = 1; round <= plan.rounds; round++) {
    for (const { peer, proxy, rounds } of contestants) {
      say(`  round ${round}/${plan.rounds}  ${peer.name.padEnd(18)}`)
      const figures = await measure(proxy, scenario, plan.round)
      rounds.push(figures)
      say(`${show(figures.cpu)} µs CPU/request, ${show(figures.perSecond)} req/s\n`)
    }
  }
  const outcomes = contestants.map(({ peer, proxy, rounds }) => ({
    scenario: scenario.name,
    peer: peer.name,
    rounds,
    peak: peakMegabytes(proxy.child.pid),
  }))
  await Promise.all(contestants.map(({ proxy }) => proxy.child.stop()))
  return outcomes
}

const planOf = (): Plan => {
  const { values } = parseArgs({ options: { quick: { type: 'boolean', default: false } } })
  return values.quick ? QUICK : THOROUGH
}

const plan = planOf()
if (!existsSync(new URL('../dist/main.js', import.meta.url))) {
  throw new Error('dist/main.js is missing: npm run build')
}
endChildrenAtExit()
const processors = cpus()
const { description, proxyCommand } = pin()
const setting = [
  `Node ${process.version}, ${processors.length} CPUs (${processors[0]?.model ?? 'unknown'}), load average before: ${show(loadavg()[0], 1)}`,
  `${plan.rounds} rounds of ${plan.round} s after ${plan.warmUp} s of warm-up; ${description}`,
]
say(`${setting.join('\n')}\n`)

const tokenServer = await startTokenServer()
const { authorization } = tokenServer
const upstream = await startUpstream(authorization)
const surroundings: Surroundings = {
  upstream: upstream.url,
  tokenServer: tokenServer.url,
  authorization,
  proxyCommand,
}
const outcomes: Outcome[] = []
for (const scenario of scenarios) {
  outcomes.push(...(await runScenario(scenario, plan, surroundings)))
}
await upstream.child.stop()
tokenServer.close()

say(`
${table(outcomes, BASELINE.name)}

${setting.join('\n')}
Figures are medians. The ratios to ${BASELINE.name} are medians too, of the ratios round by round:
rounds that are next to each other share the noise of the machine.
service-key-proxy runs as \`npm start\` does, with its access log (to /dev/null); ${BASELINE.name}
with the defaults of Node, Fastify and reply-from, without a log. Plain http on loopback. Where
"Proxy CPU" is well below 100 %, req/s and latency are limited by something else: see CPU µs/request.
${plan === QUICK ? 'Quick: the first rounds are not warm yet. A check that it runs, not a figure to quote.\n' : ''}`)
