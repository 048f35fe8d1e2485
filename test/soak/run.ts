/** One soak: starts all parts, lets callers and faults go on for the time, returns the record. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { hadToken } from '../fixtures/call-judge.ts'
import type { Call } from '../fixtures/caller.ts'
import { FaultCourse, type Fault } from '../fixtures/fault-course.ts'
import { freePort } from '../fixtures/free-port.ts'
import { startProxy, type Proxy } from '../fixtures/proxy-process.ts'
import { createRandom } from '../fixtures/random.ts'
import { StopWatch } from '../fixtures/stop-watch.ts'
import { RotatedKey } from '../fixtures/rotated-key.ts'
import { Api } from '../fixtures/scripted-api.ts'
import { TokenServer } from '../fixtures/scripted-token-server.ts'
import { Callers } from './callers.ts'
import { SCRAPE_INTERVAL_MS, type SoakRecord } from './judgement.ts'
import { Ledger } from './ledger.ts'
import { Scrapes } from './scrapes.ts'
import { LogWatch, sampleProcess, Timeline } from './watch.ts'

export interface SoakOptions {
  readonly minutes: number
  readonly callers: number
  readonly seed: number
  readonly onStretch: (name: string) => void
  /** Every five seconds. */
  readonly onProgress: (text: string) => void
}

/** Soft point at 9 s, hard one at 15 s: a fault of the token server is over before callers notice. */
const LIFETIME = 20

/** In turns. */
export const FAULTS: readonly Fault[] = [
  { name: 'key rotated', seconds: 4, does: 'rotate' },
  { name: 'API answers 5xx', seconds: 3, api: 'fails', all: ['api 500', 'api 503'] },
  { name: 'token server 500', seconds: 4, tokens: 'fails', all: ['token_unavailable'] },
  // What becomes of a write on a connection that breaks nobody knows.
  { name: 'API resets', seconds: 3, api: 'flaps', writes: ['upstream_reset', 'incomplete'] },
  { name: 'token server down', seconds: 4, tokens: 'down', all: ['token_unavailable'] },
  // Not soon after a rotation: then the proxy holds two tokens, and a read is sent again but once.
  { name: 'API revokes tokens', seconds: 3, does: 'revoke', writes: ['token_refreshed_retry'] },
  { name: 'API hangs', seconds: 3, api: 'hangs' },
  { name: 'token server 429', seconds: 4, tokens: 'limits', all: ['token_rate_limited'] },
  { name: 'token server hangs', seconds: 4, tokens: 'hangs', all: ['token_unavailable'] },
  { name: 'token server slow', seconds: 4, tokens: 'slow' },
]

export const runSoak = async (options: SoakOptions): Promise<SoakRecord> => {
  const folder = mkdtempSync(join(tmpdir(), 'skp-soak-'))
  const parts = await startParts(options, folder)
  const { proxy, tokenServer, api, ledger, key, log, scrapes } = parts
  const before = sampleProcess(proxy.pid)?.descriptors
  const startedAt = performance.now()
  const { rows, stuck, stretches, longestStop } = await suffer(parts, options)
  const { reloads, after } = await afterLoad(parts)
  const death = await proxy.stop()
  log.finish()
  ledger.settle(Infinity)
  await tokenServer.close()
  api.close()
  rmSync(folder, { recursive: true })
  const seconds = (at: number): number => (at - startedAt) / 1000
  const { minutes, callers, seed } = options
  return {
    date: new Date().toISOString().slice(0, 10),
    node: process.versions.node,
    seed,
    minutes,
    callers,
    rows,
    faults: stretches
      .filter(({ name }) => FAULTS.some((fault) => fault.name === name))
      .map(({ name, startedAt, endedAt }) => {
        return { name, from: seconds(startedAt), to: seconds(endedAt) }
      }),
    requests: ledger.total,
    writes: ledger.writes,
    applied: ledger.applied,
    outcomes: [...ledger.outcomes].toSorted(([a], [b]) => a.localeCompare(b)),
    breachCounts: [...ledger.counts],
    breaches: ledger.breaches,
    rotations: key.rotations,
    reloads,
    tokenRequests: tokenServer.requests.length,
    stuck,
    descriptors: { before, after },
    longestStop,
    scrapes,
    log: { lines: log.lines, levels: [...log.levels], alarms: log.alarms, leaks: log.leaks },
    death,
  }
}

const API_DELAY_MS = 15
const CALM_MS = 2_500
const SAMPLE_MS = 1_000
/** Between probes of the event loop. */
const PROBE_MS = 20
/** For kept connections to end. */
const CALM_DOWN_MS = 3_000

const startParts = async ({ seed, onStretch }: SoakOptions, folder: string) => {
  const key = new RotatedKey({
    addresses: () => ({ entities: api.entities, url: tokenServer.url }),
  })
  const tokenServer = new TokenServer({ good: key.good, random: createRandom(seed + 2) })
  const ledger = new Ledger({
    stretches: () => course.stretches,
    hadToken: (call) => hadToken(call, tokenServer.grants),
  })
  const api = new Api({
    tokens: tokenServer,
    random: createRandom(seed + 1),
    delay: API_DELAY_MS,
    onArrival: (arrival) => ledger.arrive(arrival),
  })
  await tokenServer.follow('grants', LIFETIME)
  await api.listen()
  await key.route(join(folder, 'bindings', 'intas'))
  const log = new LogWatch(() => [...key.secrets, ...tokenServer.grants.map(({ value }) => value)])
  const adminPort = await freePort()
  const proxy = await startProxy({
    environment: {
      SERVICE_BINDING_ROOT: join(folder, 'bindings'),
      SKP_ADMIN_PORT: String(adminPort),
    },
    onOutput: (chunk) => log.add(chunk),
  })
  const course = new FaultCourse({
    tokenServer,
    lifetime: LIFETIME,
    api,
    proxy,
    rotate: () => key.rotate(),
    onStretch: ({ name }) => onStretch(name),
  })
  return { key, tokenServer, ledger, api, log, proxy, course, scrapes: new Scrapes(adminPort) }
}

type Parts = Awaited<ReturnType<typeof startParts>>

/** Callers, faults and looks at the proxy, until the time is over. */
const suffer = async (parts: Parts, options: SoakOptions) => {
  const { ledger, proxy, course } = parts
  const timeline = new Timeline(proxy.pid)
  const callers = new Callers({
    port: proxy.port,
    count: options.callers,
    seed: options.seed + 3,
    onBegin: (id) => ledger.begin(id),
    onEnd(call) {
      ledger.end(call)
      timeline.ended(latencyOf(call))
    },
  })
  const endWatch = watch(parts, timeline, options)
  const stops = new StopWatch(proxy.port, proxy.pid)
  const signal = AbortSignal.timeout(options.minutes * 60_000)
  const faults = async (): Promise<void> => {
    for (let i = 0; !signal.aborted && proxy.isRunning(); i += 1) {
      await course.suffer(FAULTS[i % FAULTS.length] as Fault, CALM_MS, signal)
    }
  }
  const longestStop = (await stops.during(faults(), PROBE_MS)) || undefined
  stops.close()
  await course.recover()
  await callers.stop()
  course.end()
  await endWatch()
  return { rows: timeline.rows, stuck: course.stuck, stretches: course.stretches, longestStop }
}

const latencyOf = ({ action, method, status, startedAt, endedAt }: Call): number | undefined =>
  action === 'read' && method === 'GET' && status !== undefined ? endedAt - startedAt : undefined

/** Everything that goes on beside the callers. @returns how to end it */
const watch = ({ ledger, scrapes }: Parts, timeline: Timeline, { onProgress }: SoakOptions) => {
  let scraping = Promise.resolve()
  const scrape = async (): Promise<void> => {
    timeline.scraped(await scrapes.scrape())
  }
  const timers = [
    setInterval(() => {
      timeline.sample()
      ledger.settle(performance.now())
    }, SAMPLE_MS),
    setInterval(() => {
      scraping = scraping.then(scrape).catch(scrapes.failed)
      onProgress(progressOf(ledger, timeline))
    }, SCRAPE_INTERVAL_MS),
  ]
  return async (): Promise<void> => {
    for (const timer of timers) clearInterval(timer)
    await scraping
  }
}

const progressOf = ({ counts, total, writes }: Ledger, { rows }: Timeline): string => {
  const { resident, descriptors } = rows.at(-1) ?? {}
  const problems = [...counts].map(([kind, count]) => `${kind} × ${count}`).join(', ')
  const memory = resident === undefined ? '' : `, ${resident.toFixed(0)} MB`
  const open = descriptors === undefined ? '' : `, ${descriptors} descriptors`
  return `${total} requests, ${writes} writes${memory}${open}${problems && `; ${problems}`}`
}

const afterLoad = async ({ api, proxy, scrapes }: { api: Api; proxy: Proxy; scrapes: Scrapes }) => {
  const reloads = await scrapes
    .counter('service_key_proxy_credential_reloads_total', 'outcome="taken"')
    .catch(() => 0)
  await scrapes.measureCost(proxy.pid).catch(scrapes.failed)
  await sleep(CALM_DOWN_MS)
  api.closeIdle()
  await sleep(CALM_DOWN_MS)
  return { reloads, after: sampleProcess(proxy.pid)?.descriptors }
}
