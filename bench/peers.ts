/** Who is compared, and how each is started in front of the same API. */
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { configSchema } from '../src/config/config-schema.ts'
import { freePort, startSilent, type Child, type Environment } from './children.ts'
import { startCommand } from '../scripts/start-command.ts'
import { nginxConfiguration } from './nginx.ts'
import { BASELINE } from './results.ts'
import type { Surroundings } from './surroundings.ts'

export interface Proxy {
  readonly child: Child
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

/** What a platform gives to the proxy. */
export const environmentOf = (
  surroundings: Surroundings,
  {
    tls,
    port,
    adminPort,
  }: { readonly tls: boolean; readonly port: number; readonly adminPort: number },
): Environment => ({
  VCAP_SERVICES: JSON.stringify({
    'integration-assessment': [
      {
        name: 'bench',
        credentials: {
          entities: upstreamOf(surroundings, tls),
          clientid: 'bench',
          clientsecret: 'bench-secret-of-no-worth',
          url: surroundings.tokenServer,
        },
      },
    ],
  }),
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

const ourProxy = (id: string, name: string, settings: Environment): Peer => ({
  id,
  name,
  async start(surroundings, tls) {
    const port = await freePort()
    const env = {
      ...environmentOf(surroundings, { tls, port, adminPort: await freePort() }),
      ...settings,
    }
    const command = surroundings.proxyCommand(startCommand())
    const child = startSilent(command, env, surroundings.log)
    return { child, url: `http://127.0.0.1:${port}`, headers: {} }
  },
})

const nodePeer = (id: string, name: string, bringsToken = false): Peer => ({
  id,
  name,
  async start(surroundings, tls) {
    const port = await freePort()
    const { authorization, caFile, log, proxyCommand } = surroundings
    const command = [process.execPath, pathOf(`bench/peers/${id}.mjs`)]
    const env = {
      BENCH_UPSTREAM: upstreamOf(surroundings, tls),
      BENCH_AUTHORIZATION: authorization,
      NODE_EXTRA_CA_CERTS: caFile,
      NODE_ENV: 'production',
      PORT: String(port),
    }
    const child = startSilent(proxyCommand(command), env, log)
    return {
      child,
      url: `http://127.0.0.1:${port}`,
      headers: bringsToken ? { authorization } : {},
    }
  },
})

const nginx: Peer = {
  id: 'nginx',
  name: 'nginx, static header',
  async start(surroundings, tls) {
    const port = await freePort()
    const { folder, authorization, caFile, log, proxyCommand } = surroundings
    const file = `${folder}/nginx-${port}.conf`
    const upstream = new URL(upstreamOf(surroundings, tls))
    const user = process.getuid?.() === 0 ? 'root' : undefined
    writeFileSync(file, nginxConfiguration({ folder, port, upstream, authorization, caFile, user }))
    const child = startSilent(proxyCommand(['nginx', '-c', file, '-p', folder]), { PATH }, log)
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
    child: { pid: process.pid, isRunning: () => true, stop: async () => {} },
    url: surroundings.upstream.plain,
    headers: { authorization: surroundings.authorization },
  }),
}

export const PEERS: readonly Peer[] = [
  ourProxy('shipped', 'service-key-proxy, as shipped', {}),
  ourProxy('bare', 'service-key-proxy, log and rewriting off', withoutExtras),
  nodePeer('node-limit', 'node:http + undici, by hand'),
  nodePeer(BASELINE, 'plain @fastify/http-proxy'),
  nginx,
  nodePeer('http-proxy-middleware', 'http-proxy-middleware'),
  nodePeer('fastify-axios', 'Fastify + axios, by hand'),
  nodePeer('fastify-cloud-sdk', 'Fastify + SAP Cloud SDK, by hand'),
  nodePeer('approuter', '@sap/approuter', true),
  direct,
]
