/**
 * `npm run profile`: a CPU profile of the proxy as shipped while it serves GETs of 2 KB over 32
 * connections, and the functions in which most of the time goes. The file opens in the developer
 * tools of Chrome. `-- --bare` switches log and rewriting off.
 */
import { mkdirSync, readFileSync, readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { startCommand } from '../scripts/start-command.ts'
import { endChildrenAtExit, freePort } from './children.ts'
import { untilRight } from './first-answer.ts'
import { generatorHere, load } from './load.ts'
import { environmentOf, withoutExtras } from './peers.ts'
import { pin } from './pinning.ts'
import { proxyStarter } from './proxy-process.ts'
import { SCENARIOS, type Scenario } from './scenarios.ts'
import { startSurroundings } from './surroundings.ts'

const SECONDS = 10
const SHOWN = 40

interface Node {
  readonly id: number
  readonly callFrame: { functionName: string; url: string; lineNumber: number }
}

interface Profile {
  readonly nodes: readonly Node[]
  readonly samples: readonly number[]
  readonly timeDeltas: readonly number[]
}

const nameOf = ({ callFrame: { functionName, url, lineNumber } }: Node): string => {
  const file = url.replace(/^.*\//, '')
  return `${functionName || '(anonymous)'}${file === '' ? '' : `  ${file}:${lineNumber + 1}`}`
}

/** Function → µs in it itself, without what it calls; most first. */
const selfTimes = ({ nodes, samples, timeDeltas }: Profile): [string, number][] => {
  const names = new Map(nodes.map((node) => [node.id, nameOf(node)]))
  const times = new Map<string, number>()
  for (const [i, id] of samples.entries()) {
    const name = names.get(id) ?? '?'
    times.set(name, (times.get(name) ?? 0) + (timeDeltas[i] ?? 0))
  }
  return [...times].toSorted(([, a], [, b]) => b - a)
}

const show = (profile: Profile, requests: number): string => {
  const times = selfTimes(profile).filter(([name]) => name !== '(idle)')
  const total = times.reduce((sum, [, time]) => sum + time, 0)
  const lines = times.slice(0, SHOWN).map(([name, time]) => {
    const share = ((time / total) * 100).toFixed(1).padStart(5)
    return `${share} %  ${(time / requests).toFixed(1).padStart(6)} µs/request  ${name}`
  })
  return lines.join('\n')
}

const { values } = parseArgs({
  options: { bare: { type: 'boolean' }, scenario: { type: 'string', default: 'get-32' } },
})
endChildrenAtExit()
const startProxy = proxyStarter(pin())
const surroundings = await startSurroundings(startProxy)
const folder = fileURLToPath(new URL(`results/profile-${process.pid}`, import.meta.url))
mkdirSync(folder, { recursive: true })
const port = await freePort()
const [node, ...args] = startCommand()
const command = [node, '--cpu-prof', `--cpu-prof-dir=${folder}`, ...args]
const env = {
  ...environmentOf(surroundings, { tls: false, port, adminPort: await freePort() }),
  ...(values.bare === true ? withoutExtras : {}),
  SKP_DRAIN_DELAY: '0ms',
}
const child = startProxy(command, env, surroundings.log)
const url = `http://127.0.0.1:${port}`
const scenario = SCENARIOS.find(({ id }) => id === values.scenario) as Scenario
await untilRight({ child, url, headers: {} }, scenario)
process.stdout.write(`${scenario.name} for ${SECONDS} s …\n`)
const target = { url, headers: {}, folder: surroundings.folder }
const { requests } = await load(generatorHere(), target, scenario, SECONDS)
await child.stop(10_000)
const file = `${folder}/${readdirSync(folder)[0]}`
const profile = JSON.parse(readFileSync(file, 'utf8')) as Profile
process.stdout.write(`${show(profile, requests)}\n\n${file}\n`)
process.exit()
