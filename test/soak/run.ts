/** One soak: starts all parts, lets callers and faults go on for the time, returns the record. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePortFrom } from '../../demo/proxy-process.ts'
import { GrantBook } from '../drill/grants.ts'
import { hadToken } from '../drill/judge-calls.ts'
import { startProxy, type Proxy } from '../drill/proxy.ts'
import { createRandom } from '../drill/random.ts'
import { TokenServer } from '../drill/token-server.ts'
import { SoakApi } from './api.ts'
import type { Call } from './call.ts'
import { Callers } from './callers.ts'
import { CALM, Course, LIFETIME_S, type Stretch } from './course.ts'
import { Ledger } from './ledger.ts'
import { LogWatch } from './log-watch.ts'
import { sampleProcess } from './process-sample.ts'
import { SCRAPE_INTERVAL_MS, type SoakRecord } from './record.ts'
import { RotatedKey } from './rotation.ts'
import { Scrapes } from './scrapes.ts'
import { Timeline } from './timeline.ts'

export interface SoakOptions {
  readonly minutes: number
  readonly callers: number
  readonly seed: number
  readonly onStretch: (name: string) => void
  /** Every five seconds. */
  readonly onProgress: (text: string) => void
}

const CLIENT_ID = 'sb-soak!b1|service!b2'
const ADMIN_PORT_FROM = 19_090
const SAMPLE_MS = 1_000
/** For kept connections to end. */
const CALM_DOWN_MS = 3_000

interface Parts {
  readonly grants: GrantBook
  readonly key: RotatedKey
  readonly tokenServer: TokenServer
  readonly api: SoakApi
  readonly ledger: Ledger
  readonly stretches: Stretch[]
}

const createParts = async ({ seed }: SoakOptions): Promise<Parts> => {
  const grants = new GrantBook(createRandom(seed))
  const stretches: Stretch[] = []
  const ledger = new Ledger({ stretches, hadToken: (call) => hadToken(call, grants.all) })
  const api = new SoakApi({
    grants,
    random: createRandom(seed + 1),
    onArrival: (arrival) => ledger.arrive(arrival),
  })
  const key = new RotatedKey(() => ({
    entities: api.entities,
    url: tokenServer.url,
    clientid: CLIENT_ID,
  }))
  const tokenServer = new TokenServer({
    clientId: CLIENT_ID,
    clientSecrets: key.good,
    grants,
    random: createRandom(seed + 2),
  })
  await tokenServer.follow('grants', LIFETIME_S)
  await api.listen()
  return { grants, key, tokenServer, api, ledger, stretches }
}

const start = async ({ key, grants }: Parts, folder: string) => {
  key.route(join(folder, 'bindings', 'intas'))
  const log = new LogWatch(() => [...key.issued, ...grants.all.map(({ value }) => value)])
  const adminPort = await freePortFrom(ADMIN_PORT_FROM)
  const proxy = await startProxy({
    environment: {
      SERVICE_BINDING_ROOT: join(folder, 'bindings'),
      SKP_ADMIN_PORT: String(adminPort),
    },
    onOutput: (chunk) => log.add(chunk),
  })
  return { log, proxy, scrapes: new Scrapes(adminPort) }
}

const latencyOf = ({ action, method, status, startedAt, endedAt }: Call): number | undefined =>
  action === 'read' && method === 'GET' && status !== undefined ? endedAt - startedAt : undefined

const progressOf = ({ ledger }: Parts, timeline: Timeline): string => {
  const row = timeline.rows.at(-1)
  const problems = [...ledger.counts].map(([kind, count]) => `${kind} × ${count}`).join(', ')
  const memory = row?.resident === undefined ? '' : `, ${row.resident.toFixed(0)} MB`
  const open = row?.descriptors === undefined ? '' : `, ${row.descriptors} descriptors`
  return `${ledger.total} requests, ${ledger.writes} writes${memory}${open}${problems && `; ${problems}`}`
}

/** Everything that goes on beside the callers. @returns how to end it */
const watch = (parts: Parts, timeline: Timeline, scrapes: Scrapes, options: SoakOptions) => {
  let scraping = Promise.resolve()
  const scrape = async (): Promise<void> => {
    timeline.scraped(await scrapes.scrape())
  }
  const timers = [
    setInterval(() => {
      timeline.sample()
      parts.ledger.settle(performance.now())
    }, SAMPLE_MS),
    setInterval(() => {
      scraping = scraping.then(scrape).catch((error: unknown) => {
        scrapes.faults.push(`a scrape failed: ${String(error)}`)
      })
      options.onProgress(progressOf(parts, timeline))
    }, SCRAPE_INTERVAL_MS),
  ]
  return async (): Promise<void> => {
    for (const timer of timers) clearInterval(timer)
    await scraping
  }
}

const suffer = async (
  parts: Parts,
  { proxy, scrapes }: { proxy: Proxy; scrapes: Scrapes },
  options: SoakOptions,
) => {
  const { ledger, api, key, tokenServer, grants, stretches } = parts
  const timeline = new Timeline(proxy.pid)
  const startedAt = performance.now()
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
  const endWatch = watch(parts, timeline, scrapes, options)
  const { isRunning } = proxy
  const { onStretch } = options
  const rotate = (): Promise<void> => key.rotate()
  const course = new Course({
    grants,
    tokenServer,
    api,
    rotate,
    isRunning,
    onStretch,
    stretches,
  })
  await course.run(AbortSignal.timeout(options.minutes * 60_000))
  await callers.stop()
  course.end()
  await endWatch()
  return { timeline, course, startedAt }
}

const afterLoad = async ({ api }: Parts, proxy: Proxy, scrapes: Scrapes) => {
  const reloads = await scrapes
    .counter('service_key_proxy_credential_reloads_total', 'outcome="taken"')
    .catch(() => 0)
  await scrapes.measureCost(proxy.pid).catch((error: unknown) => {
    scrapes.faults.push(`a scrape failed: ${String(error)}`)
  })
  await sleep(CALM_DOWN_MS)
  api.closeIdle()
  await sleep(CALM_DOWN_MS)
  return { reloads, after: sampleProcess(proxy.pid)?.descriptors }
}

export const runSoak = async (options: SoakOptions): Promise<SoakRecord> => {
  const folder = mkdtempSync(join(tmpdir(), 'skp-soak-'))
  const parts = await createParts(options)
  const { log, proxy, scrapes } = await start(parts, folder)
  const before = sampleProcess(proxy.pid)?.descriptors
  const { timeline, course, startedAt } = await suffer(parts, { proxy, scrapes }, options)
  const { reloads, after } = await afterLoad(parts, proxy, scrapes)
  const death = await proxy.stop()
  log.finish()
  const { ledger, key, tokenServer, api, stretches } = parts
  ledger.settle(Infinity)
  await tokenServer.close()
  api.close()
  rmSync(folder, { recursive: true })
  const seconds = (at: number): number => (at - startedAt) / 1000
  return {
    date: new Date().toISOString().slice(0, 10),
    node: process.versions.node,
    seed: options.seed,
    minutes: options.minutes,
    callers: options.callers,
    rows: timeline.rows,
    faults: stretches
      .filter(({ fault }) => fault.name !== CALM)
      .map(({ fault, startedAt: from, endedAt }) => {
        return { name: fault.name, from: seconds(from), to: seconds(endedAt) }
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
    stuck: course.stuck,
    descriptors: { before, after },
    scrapes,
    log: { lines: log.lines, levels: [...log.levels], alarms: log.alarms, leaks: log.leaks },
    death,
  }
}
