/** One round: load on one proxy for some seconds, and what came of it. */
import { load, type Generator } from './load.ts'
import { cpuMicroseconds } from './process-figures.ts'
import type { Proxy } from './peers.ts'
import type { Round } from './results.ts'
import { inUnit, type Scenario } from './scenarios.ts'
import type { Surroundings } from './surroundings.ts'

interface RoundOptions {
  readonly proxy: Proxy
  readonly scenario: Scenario
  readonly seconds: number
  readonly generator: Generator
  readonly surroundings: Surroundings
  readonly hasProcess: boolean
}

export const measure = async (options: RoundOptions): Promise<Round> => {
  const { proxy, scenario, seconds, generator, surroundings, hasProcess } = options
  const { child, url, headers } = proxy
  if (!child.isRunning()) throw new Error('it has ended by itself')
  const { folder, connectionsOpened } = surroundings
  const openedBefore = await connectionsOpened()
  const before = cpuMicroseconds(child.pid)
  const { requests, elapsed, p50, p99 } = await load(
    generator,
    { url, headers, folder },
    scenario,
    seconds,
  )
  const after = cpuMicroseconds(child.pid)
  const opened = (await connectionsOpened()) - openedBefore
  const used =
    hasProcess && before !== undefined && after !== undefined ? after - before : undefined
  return {
    cpu: used === undefined ? undefined : inUnit(scenario, used / requests),
    busy: used === undefined ? undefined : used / elapsed,
    perSecond: requests / (elapsed / 1e6),
    p50,
    p99,
    opened: (opened / requests) * 1000,
  }
}
