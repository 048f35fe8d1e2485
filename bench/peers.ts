/** Who is compared, and how each is started in front of the same API. */
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { configSchema } from '../src/config/settings.ts'
import { freePort, type Environment } from './children.ts'
import { startCommand } from '../scripts/start-command.ts'
import { nginxConfiguration } from './nginx.ts'
import type { ProxyProcess } from './proxy-process.ts'
import { BASELINE } from './results.ts'
import type { Surroundings } from './surroundings.ts'

export interface Proxy {
  readonly child: ProxyProcess
  readonly url: string
  /** What its callers have to send beside what all send. */
  readonly headers: Readonly<Record<string, string>>
}

export interface Peer {
  readonly id: string
  readonly name: string
  /** @param tls whether the API is to be reached over TLS */
  readonly start: (surroundings: Surroundings, tls: boolean) => Promise<Proxy>
  /** Why it cannot run here; `undefined`: it can. */
  readonly unavailable?: () => string | undefined
  /** No process of its own whose figures would mean anything. */
  readonly noProcess?: boolean
}

const pathOf = (file: string): string => fileURLToPath(new URL(`../${file}`, import.meta.url))

const upstreamOf = ({ upstream }: Surroundings, tls: boolean): string =>
  tls ? upstream.tls : upstream.plain

/** What a platform gives to whoever is bound to the service. */
const bindingOf = (surroundings: Surroundings, tls: boolean): Environment => ({
  VCAP_SERVICES: JSON.stringify({
    'integration-assessment': [
      {
        name: 'bench',
        label: 'integration-assessment',
        credentials: {
          entities: upstreamOf(surroundings, tls),
          clientid: 'bench',
          clientsecret: 'bench-secret-of-no-worth',
          url: surroundings.tokenServer,
        },
      },
    ],
  }),
})

/** What a platform gives to the proxy. */
export const environmentOf = (
  surroundings: Surroundings,
  {
    tls,
    port,
    adminPort,
  }: { readonly tls: boolean; readonly port: number; readonly adminPort: number },
): Environment => ({
  ...bindingOf(surroundings, tls),
  PORT: String(port),
  SKP_ADMIN_PORT: String(adminPort),
  SKP_CA_FILE: surroundings.caFile,
})

/** A setting that the program does not have yet would only be warned of. */
const known = (settings: Environment): Environment => {
  const names = new Set<string>(Object.values(configSchema).map(({ env }) => env))
  return Object.fromEntries(Object.entries(settings).filter(([name]) => names.has(name)))
}

/** Its settings without log and rewriting. */
export const withoutExtras: Environment = known({
  SKP_LOG_LEVEL: 'silent',
  SKP_REWRITE_LINKS: 'off',
})

interface Contender {
  readonly id: string
  readonly name: string
}

/** @param command of a built proxy */
export const ourProxy = (
  { id, name }: Contender,
  command: readonly string[],
  settings: Environment = {},
): Peer => ({
  id,
  name,
  async start(surroundings, tls) {
    const port = await freePort()
    const env = {
      ...environmentOf(surroundings, { tls, port, adminPort: await freePort() }),
      ...settings,
    }
    const child = surroundings.startProxy(command, env, surroundings.log)
    return { child, url: `http://127.0.0.1:${port}`, headers: {} }
  },
})

interface NodePeer extends Contender {
  /** In bench/peers. Default: as its id. */
  readonly file?: string
  /** Its callers send the token. */
  readonly bringsToken?: boolean
  /** It gets the service key, and fetches its token itself. */
  readonly isBound?: boolean
  /** Of Node. */
  readonly flags?: readonly string[]
}

const nodePeer = ({ id, name, file = id, bringsToken, isBound, flags = [] }: NodePeer): Peer => ({
  id,
  name,
  async start(surroundings, tls) {
    const port = await freePort()
    const { authorization, caFile, log, startProxy } = surroundings
    const command = [process.execPath, ...flags, pathOf(`bench/peers/${file}.mjs`)]
    const env = {
      BENCH_UPSTREAM: upstreamOf(surroundings, tls),
      BENCH_AUTHORIZATION: authorization,
      NODE_EXTRA_CA_CERTS: caFile,
      NODE_ENV: 'production',
      PORT: String(port),
      ...(isBound === true ? bindingOf(surroundings, tls) : {}),
    }
    const child = startProxy(command, env, log)
    return {
      child,
      url: `http://127.0.0.1:${port}`,
      headers: bringsToken === true ? { authorization } : {},
    }
  },
})

const nginx: Peer = {
  id: 'nginx',
  name: 'nginx, static header',
  async start(surroundings, tls) {
    const port = await freePort()
    const { folder, authorization, caFile, log, startProxy } = surroundings
    const file = `${folder}/nginx-${port}.conf`
    const upstream = new URL(upstreamOf(surroundings, tls))
    const user = process.getuid?.() === 0 ? 'root' : undefined
    writeFileSync(file, nginxConfiguration({ folder, port, upstream, authorization, caFile, user }))
    const child = startProxy(['nginx', '-c', file, '-p', folder], { PATH }, log)
    return { child, url: `http://127.0.0.1:${port}`, headers: {} }
  },
  unavailable: () =>
    spawnSync('nginx', ['-v'], { env: { PATH } }).status === 0
      ? undefined
      : 'no nginx here (Debian: apt-get install nginx-light)',
}

/** nginx may be where only root looks. */
const PATH = `${process.env['PATH'] ?? ''}:/usr/sbin`

const direct: Peer = {
  id: 'direct',
  name: 'no proxy at all',
  noProcess: true,
  start: async (surroundings) => ({
    child: {
      pid: process.pid,
      isRunning: () => true,
      ending: () => undefined,
      stop: async () => {},
      peak: () => undefined,
      containerPeak: () => undefined,
      fate: () => undefined,
    },
    url: surroundings.upstream.plain,
    headers: { authorization: surroundings.authorization },
  }),
}

export const PEERS: readonly Peer[] = [
  ourProxy({ id: 'shipped', name: 'service-key-proxy, as shipped' }, startCommand()),
  ourProxy(
    { id: 'bare', name: 'service-key-proxy, log and rewriting off' },
    startCommand(),
    withoutExtras,
  ),
  nodePeer({ id: 'node-limit', name: 'node:http + undici, by hand' }),
  nodePeer({ id: BASELINE, name: 'plain @fastify/http-proxy' }),
  nginx,
  nodePeer({ id: 'http-proxy-middleware', name: 'http-proxy-middleware' }),
  nodePeer({ id: 'fastify-axios', name: 'Fastify + axios, by hand' }),
  nodePeer({
    id: 'fastify-cloud-sdk',
    name: 'Fastify + SAP Cloud SDK, by hand',
    isBound: true,
  }),
  nodePeer({
    id: 'fastify-cloud-sdk-given',
    name: 'Fastify + SAP Cloud SDK, token given',
    file: 'fastify-cloud-sdk',
  }),
  nodePeer({ id: 'approuter', name: '@sap/approuter', bringsToken: true }),
  direct,
]

/** The peer of the ratios, with flags of Node. */
export const plainPeer = (id: string, flags: readonly string[]): Peer =>
  nodePeer({ id, name: id, file: BASELINE, flags })
