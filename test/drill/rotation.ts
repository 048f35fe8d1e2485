/**
 * Rotations and hard cases, under load: the key lies in a folder that is swapped as the kubelet
 * does, and the proxy finds it by SERVICE_BINDING_ROOT. Then what that must not do to callers.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { CertificateAuthority } from '../../demo/certificate-authority.ts'
import { contentFault, describe } from '../fixtures/call-judge.ts'
import type { Call } from '../fixtures/caller.ts'
import { startProxy } from '../fixtures/proxy-process.ts'
import { createRandom } from '../fixtures/random.ts'
import { OVERLAP_MS, RotatedKey } from '../fixtures/rotated-key.ts'
import { Api, isWriting, type Arrival } from '../fixtures/scripted-api.ts'
import { TokenServer } from '../fixtures/scripted-token-server.ts'
import { Load } from './load.ts'

export interface RotationOptions {
  readonly type: 'secret' | 'x509'
  readonly authority: CertificateAuthority
  readonly seed: number
  /** Rotations with an overlap. */
  readonly rotations: number
  readonly perSecond: number
  readonly onStep: (text: string) => void
}

export interface RotationRecord {
  readonly type: RotationOptions['type']
  readonly steps: readonly { readonly name: string; readonly startedAt: number }[]
  readonly calls: readonly Call[]
  /** How often each write was carried out, by id. */
  readonly writes: ReadonlyMap<string, number>
  /** Requests that reached the API with no token at all. */
  readonly naked: number
  /** Requests for a token. */
  readonly asked: number
  readonly log: string
  readonly secrets: readonly string[]
  readonly death: string | undefined
}

export const runRotation = async (options: RotationOptions): Promise<RotationRecord> => {
  const { type, authority, seed, perSecond } = options
  const folder = mkdtempSync(join(tmpdir(), 'skp-rotation-'))
  const key = new RotatedKey({
    authority: type === 'x509' ? authority : undefined,
    addresses: () => ({ entities: api.entities, url: tokenServer.url }),
  })
  const { tokenServer, api, writes, nakedIds } = await startServers(key, options)
  await key.route(join(folder, 'bindings', 'intas'))
  writeFileSync(join(folder, 'ca.pem'), authority.certificate)
  const proxy = await startProxy({
    environment: {
      SERVICE_BINDING_ROOT: join(folder, 'bindings'),
      SKP_CA_FILE: join(folder, 'ca.pem'),
    },
  })
  const load = new Load({ port: proxy.port, perSecond, random: createRandom(seed) })
  await sleep(WARM_UP_MS)
  const steps = await rotate(key, tokenServer, options)
  await load.stop()
  const death = await proxy.stop()
  await tokenServer.close()
  api.close()
  rmSync(folder, { recursive: true })
  return {
    type,
    steps,
    calls: load.calls,
    writes,
    naked: nakedIds.length,
    asked: tokenServer.requests.length,
    log: proxy.log(),
    secrets: key.secrets,
    death,
  }
}

/** A line for each breach. Pure. */
export const judgeRotation = (record: RotationRecord): readonly string[] => {
  const failed = record.calls.filter((call) => !isAnswered(call) && !isSentBack(call))
  const doubled = [...record.writes].filter(([, times]) => times > 1)
  const shown = record.secrets.filter((secret) => record.log.includes(pieceOf(secret)))
  const wrong = record.calls.flatMap((call) => {
    const fault = isAnswered(call) ? contentFault(call) : undefined
    return fault === undefined ? [] : [`wrong answer: ${describe(call, fault)}`]
  })
  return [
    ...failed.map((call) => `failed: ${describe(call)}`),
    ...wrong,
    ...doubled.map(([id, times]) => `written ${times} times: ${id}`),
    ...(record.naked > 0 ? [`${record.naked} requests reached the API without a token`] : []),
    ...(shown.length > 0 ? ['a secret is in the log'] : []),
    ...(record.death === undefined ? [] : [`the proxy ${record.death}`]),
  ]
}

export const rotationTable = ({ type, steps, calls, asked }: RotationRecord): string => {
  const stepOf = (call: Call) => steps.findLast((step) => step.startedAt <= call.startedAt)?.name
  const rows = [...new Set(steps.map(({ name }) => name))].map((name) => {
    const times = steps.filter((step) => step.name === name).length
    const here = calls.filter((call) => stepOf(call) === name)
    const fine = here.filter(isAnswered).length
    const back = here.filter((call) => !isAnswered(call) && isSentBack(call)).length
    const worst = Math.max(0, ...here.map(({ startedAt, endedAt }) => endedAt - startedAt))
    return `  ${name.padEnd(22)}${String(times).padStart(4)} x  ${String(here.length).padStart(5)} requests, ${fine} answered, ${back} writes sent back, worst ${worst.toFixed(0)} ms\n`
  })
  return `rotation of ${type}: ${asked} token requests\n${rows.join('')}`
}

/** Longer than the drill: nothing but a rotation causes a new token. */
const LIFETIME_S = 3_600
const SETTLE_MS = 500
const POLL_MS = 5
const WARM_UP_MS = 500

/** A token dies with its credential, as where a binding is deleted together with its tokens. */
const startServers = async (key: RotatedKey, { authority, seed }: RotationOptions) => {
  const writes = new Map<string, number>()
  const nakedIds: string[] = []
  const tokenServer = new TokenServer({
    good: key.good,
    random: createRandom(seed + 1),
    tokensDieWithProof: true,
    tls: { identity: await authority.issueServer(), authority: authority.certificate },
  })
  const onArrival = ({ id, applied, presented }: Arrival): void => {
    if (applied) writes.set(id, (writes.get(id) ?? 0) + 1)
    if (presented === '') nakedIds.push(id)
  }
  const random = createRandom(seed + 2)
  const api = new Api({ tokens: tokenServer, random, delay: 0, onArrival })
  await tokenServer.follow('grants', LIFETIME_S)
  await api.listen()
  return { tokenServer, api, writes, nakedIds }
}

const rotate = async (
  key: RotatedKey,
  tokenServer: TokenServer,
  { rotations, onStep }: RotationOptions,
) => {
  const steps: { readonly name: string; readonly startedAt: number }[] = []
  const begin = (name: string): void => {
    steps.push({ name, startedAt: performance.now() })
    onStep(name)
  }
  const overlap = async (): Promise<void> => {
    begin('overlap')
    await key.rotate()
    await sleep(SETTLE_MS)
  }
  for (let i = 0; i < rotations; i += 1) await overlap()
  begin('old one dead at once')
  const endOld = await key.replace()
  endOld()
  await sleep(OVERLAP_MS)
  for (const later of [OVERLAP_MS, 0]) {
    begin(later > 0 ? 'all revoked later' : 'all revoked at once')
    await revokeAll(key, tokenServer, later)
  }
  begin('broken new one')
  key.spoil()
  await sleep(OVERLAP_MS)
  begin('back')
  key.restore()
  await sleep(OVERLAP_MS)
  await overlap()
  return steps
}

/** The old credential ends, and every token with it, those of the new one too. @param later ms */
const revokeAll = async (
  key: RotatedKey,
  tokenServer: TokenServer,
  later: number,
): Promise<void> => {
  const before = tokenServer.grants.length
  const endOld = await key.replace()
  while (tokenServer.grants.length === before) await sleep(POLL_MS)
  await sleep(later)
  endOld()
  tokenServer.revokeAll()
  await sleep(OVERLAP_MS)
}

const isAnswered = ({ status = 0 }: Call): boolean => status >= 200 && status < 300

/** A write may be sent back to its caller when its token has died: nobody may send it twice. */
const isSentBack = ({ method, code }: Call): boolean =>
  isWriting(method) && code === 'token_refreshed_retry'

/** A piece that is long enough to be of use to somebody. */
const pieceOf = (secret: string): string => secret.replace(/-----[^-]+-----\s*/, '').slice(0, 16)
