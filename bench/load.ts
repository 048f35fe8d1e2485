/** Puts load on a URL: by wrk where there is one, because it leaves more of its CPU to the API. */
import autocannon from 'autocannon'
import { execFile, spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { bodyOf, type Scenario } from './scenarios.ts'

export interface Load {
  readonly requests: number
  /** µs */
  readonly elapsed: number
  /** Latencies in ms. */
  readonly p50: number
  readonly p99: number
}

export interface LoadTarget {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  /** For a file with the body. */
  readonly folder: string
}

export type Generator = 'wrk' | 'autocannon'

export const generatorHere = (): Generator =>
  spawnSync('wrk', ['-v']).error === undefined ? 'wrk' : 'autocannon'

const SCRIPT = fileURLToPath(new URL('load.lua', import.meta.url))
const run = promisify(execFile)

/** Its failures without the command, which has a token in it. */
const wrk = (args: readonly string[]) =>
  run('wrk', args).catch((error: unknown) => {
    const { stderr, signal } = error as { stderr: string; signal?: string }
    throw new Error(`wrk failed: ${stderr.trim() || String(signal)}`)
  })

const refuseErrors = (errors: number, requests: number): void => {
  if (errors > 0 || requests === 0) throw new Error(`${errors} errors in ${requests} requests`)
}

const byWrk = async (
  { url, headers, folder }: LoadTarget,
  scenario: Scenario,
  seconds: number,
): Promise<Load> => {
  const body = scenario.method === 'POST' ? `${folder}/body-${scenario.id}` : 'none'
  if (body !== 'none') writeFileSync(body, bodyOf(scenario))
  const own = Object.entries(headers).flat()
  const shape = ['-t1', `-c${scenario.connections}`, `-d${seconds}s`, '--timeout', '30s']
  const { stdout } = await wrk(
    shape.concat('-s', SCRIPT, url + scenario.path, '--', scenario.method, body, own),
  )
  const figures = JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as Load & { errors: number }
  const { errors, requests, elapsed, p50, p99 } = figures
  refuseErrors(errors, requests)
  return { requests, elapsed, p50: p50 / 1000, p99: p99 / 1000 }
}

const percentile = (sorted: Float64Array, share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN

/** autocannon's own histogram knows whole milliseconds only; its events are finer. */
const byAutocannon = async (
  { url, headers }: LoadTarget,
  scenario: Scenario,
  seconds: number,
): Promise<Load> => {
  const latencies: number[] = []
  const startedAt = performance.now()
  const post = {
    body: bodyOf(scenario),
    headers: { ...headers, 'content-type': 'application/json' },
  }
  const { errors, non2xx } = await new Promise<autocannon.Result>((resolve, reject) => {
    const instance = autocannon(
      {
        url: url + scenario.path,
        method: scenario.method,
        connections: scenario.connections,
        duration: seconds,
        ...(scenario.method === 'POST' ? post : { headers }),
      },
      (error: unknown, done) => (error ? reject(error) : resolve(done)),
    )
    instance.on('response', (_client, _status, _bytes, latency) => latencies.push(latency))
  })
  refuseErrors(errors + non2xx, latencies.length)
  const sorted = Float64Array.from(latencies).toSorted()
  return {
    requests: latencies.length,
    elapsed: (performance.now() - startedAt) * 1000,
    p50: percentile(sorted, 0.5),
    p99: percentile(sorted, 0.99),
  }
}

export const load = (
  generator: Generator,
  target: LoadTarget,
  scenario: Scenario,
  seconds: number,
): Promise<Load> => (generator === 'wrk' ? byWrk : byAutocannon)(target, scenario, seconds)
