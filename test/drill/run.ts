/** One drill: starts all parts, has them led through the phases, and returns the record. */
import { Api } from './api.ts'
import { Conductor, type Parts } from './conductor.ts'
import { GrantBook } from './grants.ts'
import { Load } from './load.ts'
import type { Phase } from './phases.ts'
import { startProxy, type Proxy } from './proxy.ts'
import { createRandom } from './random.ts'
import type { RunRecord, Segment } from './record.ts'
import { BROKEN_TOKEN } from './token-scripts.ts'
import { TokenServer } from './token-server.ts'

export interface DrillOptions {
  readonly seed: number
  readonly plan: readonly Phase[]
  /** Told of every change. */
  readonly onSegment: (segment: Segment) => void
  /** Gets the record so far, every few seconds. */
  readonly onProgress: (record: Pick<RunRecord, 'calls'>) => void
}

const CLIENT_ID = 'sb-drill!b1|service!b2'
const CLIENT_SECRET = 'drill+secret/of no worth='
const PER_SECOND = 50
const PROGRESS_MS = 5_000

const createParts = async ({ seed, plan }: DrillOptions): Promise<Parts> => {
  const grants = new GrantBook(createRandom(seed))
  const tokenServer = new TokenServer({
    clientId: CLIENT_ID,
    clientSecrets: new Set([CLIENT_SECRET]),
    grants,
    random: createRandom(seed + 1),
  })
  const api = new Api({ grants, random: createRandom(seed + 2) })
  await tokenServer.follow('grants', plan[0]?.lifetime ?? 0)
  await api.listen()
  return { grants, tokenServer, api }
}

const recordOf = (
  { grants, tokenServer, api }: Parts,
  { segments, stuck }: Conductor,
  { calls }: Load,
  proxy: Proxy,
  death: string | undefined,
): RunRecord => ({
  segments,
  stuck,
  calls,
  arrivals: api.arrivals,
  grants: grants.all,
  tokenRequests: tokenServer.requests,
  outages: tokenServer.outages,
  log: proxy.log(),
  secrets: [CLIENT_SECRET, BROKEN_TOKEN, ...grants.all.map(({ value }) => value)],
  death,
})

export const runDrill = async (options: DrillOptions): Promise<RunRecord> => {
  const parts = await createParts(options)
  const { tokenServer, api } = parts
  const credentials = {
    entities: `${api.url}/v1`,
    url: tokenServer.url,
    clientid: CLIENT_ID,
    clientsecret: CLIENT_SECRET,
  }
  const services = { 'integration-assessment': [{ name: 'drill', credentials }] }
  const proxy = await startProxy({ environment: { VCAP_SERVICES: JSON.stringify(services) } })
  const load = new Load({
    port: proxy.port,
    perSecond: PER_SECOND,
    random: createRandom(options.seed + 3),
  })
  const progress = setInterval(() => options.onProgress(load), PROGRESS_MS)
  const conductor = new Conductor({ parts, proxy, onSegment: options.onSegment })
  for (const phase of options.plan) {
    if (!proxy.isRunning()) break
    // oxlint-disable-next-line no-await-in-loop -- one phase after the other
    await conductor.conduct(phase)
  }
  await load.stop()
  conductor.end()
  clearInterval(progress)
  const death = await proxy.stop()
  await tokenServer.close()
  api.close()
  return recordOf(parts, conductor, load, proxy, death)
}
