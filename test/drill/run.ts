/** One drill: starts all parts, has them led through the phases, and returns the record. */
import { FaultCourse, type Fault, type Stretch } from '../fixtures/fault-course.ts'
import { boundKey, startProxy } from '../fixtures/proxy-process.ts'
import { createRandom } from '../fixtures/random.ts'
import { Api, type Arrival } from '../fixtures/scripted-api.ts'
import { BROKEN_TOKEN, CLIENT_ID, TokenServer } from '../fixtures/scripted-token-server.ts'
import { Load } from './load.ts'
import type { RunRecord } from './judge.ts'
import { LIFETIME } from './phases.ts'

export interface DrillOptions {
  readonly seed: number
  readonly plan: readonly Fault[]
  /** Told of every change. */
  readonly onStretch: (stretch: Stretch) => void
  /** Gets the record so far, every few seconds. */
  readonly onProgress: (record: Pick<RunRecord, 'calls'>) => void
}

const CLIENT_SECRET = 'drill+secret/of no worth='
const PER_SECOND = 50
const PROGRESS_MS = 5_000
const API_DELAY_MS = 100

export const runDrill = async (options: DrillOptions): Promise<RunRecord> => {
  const { seed, plan, onStretch } = options
  const arrivals: Arrival[] = []
  const tokenServer = new TokenServer({
    good: new Set([CLIENT_SECRET]),
    random: createRandom(seed + 1),
  })
  const api = new Api({
    tokens: tokenServer,
    random: createRandom(seed + 2),
    delay: API_DELAY_MS,
    onArrival: (arrival) => arrivals.push(arrival),
  })
  await tokenServer.follow('grants', plan[0]?.lifetime ?? LIFETIME)
  await api.listen()
  const { entities } = api
  const { url } = tokenServer
  const key = { entities, url, clientid: CLIENT_ID, clientsecret: CLIENT_SECRET }
  const proxy = await startProxy({ environment: boundKey(key) })
  const load = new Load({
    port: proxy.port,
    perSecond: PER_SECOND,
    random: createRandom(seed + 3),
  })
  const progress = setInterval(() => options.onProgress(load), PROGRESS_MS)
  const course = new FaultCourse({ tokenServer, lifetime: LIFETIME, api, proxy, onStretch })
  for (const phase of plan) if (proxy.isRunning()) await course.suffer(phase)
  await load.stop()
  course.end()
  clearInterval(progress)
  const death = await proxy.stop()
  await tokenServer.close()
  api.close()
  const { grants, requests: tokenRequests, outages } = tokenServer
  const tokens = grants.map(({ value }) => value)
  return {
    segments: course.stretches,
    stuck: course.stuck,
    calls: load.calls,
    arrivals,
    grants,
    tokenRequests,
    outages,
    log: proxy.log(),
    secrets: [CLIENT_SECRET, BROKEN_TOKEN, ...tokens],
    death,
  }
}
