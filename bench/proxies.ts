/** The proxies under comparison, and how each is started in front of the same upstream. */
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { freePort, startAnnouncing, startSilent, type Child } from './children.ts'
import { DOCUMENT, PATH, requestOf, type Scenario } from './scenarios.ts'

const START_LIMIT_MS = 15_000
const POLL_MS = 50

export interface Surroundings {
  readonly upstream: string
  readonly tokenServer: string
  readonly authorization: string
  /** Puts a proxy's command onto its CPU. */
  readonly proxyCommand: (command: readonly string[]) => readonly string[]
}

export interface Proxy {
  readonly child: Child
  readonly url: string
}

export interface Peer {
  readonly name: string
  readonly start: (surroundings: Surroundings) => Promise<Proxy>
}

const root = new URL('../', import.meta.url)
const pathOf = (file: string): string => fileURLToPath(new URL(file, root))

/** `npm start` without npm. */
const startCommand = (): readonly string[] => {
  const manifest = JSON.parse(readFileSync(pathOf('package.json'), 'utf8')) as {
    scripts: { start: string }
  }
  const [program, ...args] = manifest.scripts.start.split(' ')
  if (program !== 'node') throw new Error('the start script is not a node command any more')
  return [process.execPath, ...args.map((arg) => (arg.startsWith('-') ? arg : pathOf(arg)))]
}

const boundTo = ({ upstream, tokenServer }: Surroundings): string =>
  JSON.stringify({
    'integration-assessment': [
      {
        name: 'bench',
        credentials: {
          entities: `${upstream}/v1`,
          clientid: 'bench',
          clientsecret: 'bench-secret-of-no-worth',
          url: tokenServer,
        },
      },
    ],
  })

export const serviceKeyProxy: Peer = {
  name: 'service-key-proxy',
  async start(surroundings) {
    // Its log is part of its work and goes to /dev/null; so does the line with the port.
    const port = await freePort()
    const env = { VCAP_SERVICES: boundTo(surroundings), PORT: String(port), SKP_ADMIN_PORT: '0' }
    const child = startSilent(surroundings.proxyCommand(startCommand()), env)
    return { child, url: `http://127.0.0.1:${port}` }
  },
}

export const plainHttpProxy: Peer = {
  name: 'plain http-proxy',
  start: ({ upstream, authorization, proxyCommand }) =>
    startAnnouncing(proxyCommand([process.execPath, pathOf('bench/peers/plain-http-proxy.mjs')]), {
      BENCH_UPSTREAM: `${upstream}/v1`,
      BENCH_AUTHORIZATION: authorization,
    }),
}

export const startUpstream = (authorization: string): Promise<Proxy> =>
  startAnnouncing([process.execPath, pathOf('bench/upstream.mjs')], {
    BENCH_AUTHORIZATION: authorization,
    BENCH_DOCUMENT: DOCUMENT,
    BENCH_POST_BYTES: String(DOCUMENT.length),
  })

const expectRight = async (answer: Response, { method }: Scenario): Promise<void> => {
  const text = await answer.text()
  const isRight = method === 'POST' ? answer.status === 201 : text === DOCUMENT
  if (!isRight) throw new Error(`unexpected answer ${answer.status}: ${text.slice(0, 200)}`)
}

/** Waits for the first answer, and checks it: a wrong one is not worth measuring. */
export const untilRight = async ({ child, url }: Proxy, scenario: Scenario): Promise<void> => {
  const deadline = performance.now() + START_LIMIT_MS
  for (;;) {
    const answer = await fetch(`${url}${PATH}`, requestOf(scenario)).catch(() => undefined)
    if (answer !== undefined) return expectRight(answer, scenario)
    if (!child.isRunning()) throw new Error('a proxy ended before it answered')
    if (performance.now() > deadline) throw new Error('a proxy did not answer in time')
    await sleep(POLL_MS)
  }
}
