/** Starts of every peer in turn: time to the first proxied answer, and memory when idle. */
import { setTimeout as sleep } from 'node:timers/promises'
import { untilRight } from './first-answer.ts'
import type { Peer } from './peers.ts'
import { cpuMicroseconds, residentMegabytes } from './process-figures.ts'
import type { Start } from './results.ts'
import { SCENARIOS, type Scenario } from './scenarios.ts'
import type { Surroundings } from './surroundings.ts'

const SETTLE_MS = 1_000

export const measureStart = async (peer: Peer, surroundings: Surroundings): Promise<Start> => {
  const startedAt = performance.now()
  const proxy = await peer.start(surroundings, false)
  try {
    await untilRight(proxy, SCENARIOS[0] as Scenario)
    const time = performance.now() - startedAt
    const cpu = cpuMicroseconds(proxy.child.pid)
    await sleep(SETTLE_MS)
    return { time, cpu: cpu && cpu / 1000, idle: residentMegabytes(proxy.child.pid) }
  } finally {
    await proxy.child.stop()
  }
}
