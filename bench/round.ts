/** One round: load on one proxy for some seconds, and what came of it. */
import autocannon from 'autocannon'
import { cpuMicroseconds } from './process-figures.ts'
import type { Proxy } from './proxies.ts'
import { PATH, requestOf, type Scenario } from './scenarios.ts'

export interface Round {
  /** CPU time of the proxy per request, in µs. */
  readonly cpu: number | undefined
  /** Share of one CPU that the proxy used. */
  readonly busy: number | undefined
  readonly perSecond: number
  /** Latency in ms. */
  readonly p50: number
  readonly p99: number
}

const percentile = (sorted: Float64Array, share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN

/** autocannon's own histogram knows whole milliseconds only; its events are finer. */
const load = async (url: string, scenario: Scenario, seconds: number) => {
  const latencies: number[] = []
  const result = await new Promise<autocannon.Result>((resolve, reject) => {
    const instance = autocannon(
      {
        url: `${url}${PATH}`,
        connections: scenario.connections,
        duration: seconds,
        ...requestOf(scenario),
      },
      (error: unknown, done) => (error ? reject(error) : resolve(done)),
    )
    instance.on('response', (_client, _status, _bytes, latency) => latencies.push(latency))
  })
  const { errors, non2xx } = result
  if (errors > 0 || non2xx > 0 || latencies.length === 0) {
    throw new Error(`a round with ${errors} errors and ${non2xx} refusals does not count`)
  }
  return Float64Array.from(latencies).toSorted()
}

export const measure = async (
  { child, url }: Proxy,
  scenario: Scenario,
  seconds: number,
): Promise<Round> => {
  if (!child.isRunning()) throw new Error('a proxy has ended by itself')
  const cpuBefore = cpuMicroseconds(child.pid)
  const startedAt = performance.now()
  const latencies = await load(url, scenario, seconds)
  const elapsed = (performance.now() - startedAt) * 1000
  const cpuAfter = cpuMicroseconds(child.pid)
  const used = cpuBefore === undefined || cpuAfter === undefined ? undefined : cpuAfter - cpuBefore
  return {
    cpu: used && used / latencies.length,
    busy: used && used / elapsed,
    perSecond: latencies.length / (elapsed / 1e6),
    p50: percentile(latencies, 0.5),
    p99: percentile(latencies, 0.99),
  }
}
