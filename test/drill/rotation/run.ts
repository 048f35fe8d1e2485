/**
 * Ten rotations and three hard cases, under load: the key lies in a folder that is swapped as the
 * kubelet does, and the proxy finds it by SERVICE_BINDING_ROOT.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { CertificateAuthority } from '../../../demo/certificate-authority.ts'
import { createKubeletVolume, type KubeletVolume } from '../../fixtures/kubelet-volume.ts'
import { Load } from '../load.ts'
import { startProxy } from '../proxy.ts'
import { createRandom } from '../random.ts'
import type { Call } from '../record.ts'
import { issuer, type CredentialType, type IssuedCredential } from './credentials.ts'
import { RotationServers } from './servers.ts'

export interface RotationOptions {
  readonly type: CredentialType
  readonly authority: CertificateAuthority
  readonly seed: number
  /** Rotations with an overlap. */
  readonly rotations: number
  readonly perSecond: number
  readonly onStep: (text: string) => void
}

export interface RotationRecord {
  readonly type: CredentialType
  readonly steps: readonly { readonly name: string; readonly startedAt: number }[]
  readonly calls: readonly Call[]
  readonly writes: ReadonlyMap<string, number>
  readonly naked: number
  readonly asked: number
  readonly log: string
  readonly secrets: readonly string[]
  readonly death: string | undefined
}

/** How long the replaced credential stays good. */
const OVERLAP_MS = 2_000
const SETTLE_MS = 500
const WARM_UP_MS = 500

const volumeFiles = (servers: RotationServers, fields: Readonly<Record<string, string>>) => ({
  type: 'integration-assessment',
  entities: `${servers.apiUrl}/v1`,
  url: servers.tokenUrl,
  clientid: 'sb-drill!b1|service!b2',
  ...fields,
})

class Rotator {
  readonly steps: { readonly name: string; readonly startedAt: number }[] = []
  readonly issued: IssuedCredential[] = []
  readonly #servers: RotationServers
  readonly #volume: KubeletVolume
  readonly #issue: () => Promise<IssuedCredential>
  readonly #onStep: (text: string) => void
  #current: IssuedCredential

  constructor(
    servers: RotationServers,
    volume: KubeletVolume,
    issue: () => Promise<IssuedCredential>,
    first: IssuedCredential,
    onStep: (text: string) => void,
  ) {
    this.#servers = servers
    this.#volume = volume
    this.#issue = issue
    this.#onStep = onStep
    this.#current = first
    this.issued.push(first)
  }

  async overlap(): Promise<void> {
    this.#step('overlap')
    const old = this.#current
    await this.#replace()
    await sleep(OVERLAP_MS)
    this.#servers.good.delete(old.proof)
    await sleep(SETTLE_MS)
  }

  async deadAtOnce(): Promise<void> {
    this.#step('old one dead at once')
    const { proof } = this.#current
    await this.#replace()
    this.#servers.good.delete(proof)
    await sleep(OVERLAP_MS)
  }

  async broken(): Promise<void> {
    this.#step('broken new one')
    this.#write({ clientsecret: '', certificate: 'not a certificate' })
    await sleep(OVERLAP_MS)
  }

  async back(): Promise<void> {
    this.#step('back')
    this.#write(this.#current.fields)
    await sleep(OVERLAP_MS)
    await this.overlap()
  }

  #step(name: string): void {
    this.steps.push({ name, startedAt: performance.now() })
    this.#onStep(name)
  }

  async #replace(): Promise<void> {
    const next = await this.#issue()
    this.issued.push(next)
    this.#servers.good.add(next.proof)
    this.#current = next
    this.#write(next.fields)
  }

  #write(fields: Readonly<Record<string, string>>): void {
    this.#volume.write(volumeFiles(this.#servers, fields))
  }
}

export const runRotation = async (options: RotationOptions): Promise<RotationRecord> => {
  const { type, authority, seed, rotations, perSecond, onStep } = options
  const folder = mkdtempSync(join(tmpdir(), 'skp-rotation-'))
  const servers = await RotationServers.start(authority)
  const issue = issuer(type, authority, servers.tokenUrl)
  const first = await issue()
  servers.good.add(first.proof)
  const volume = createKubeletVolume(
    join(folder, 'bindings', 'intas'),
    volumeFiles(servers, first.fields),
  )
  writeFileSync(join(folder, 'ca.pem'), authority.certificate)
  const proxy = await startProxy({
    environment: {
      SERVICE_BINDING_ROOT: join(folder, 'bindings'),
      SKP_CA_FILE: join(folder, 'ca.pem'),
    },
  })
  const load = new Load({ port: proxy.port, perSecond, random: createRandom(seed) })
  const rotator = new Rotator(servers, volume, issue, first, onStep)
  await sleep(WARM_UP_MS)
  const steps = [
    ...Array.from({ length: rotations }, () => () => rotator.overlap()),
    () => rotator.deadAtOnce(),
    () => rotator.broken(),
    () => rotator.back(),
  ]
  // oxlint-disable-next-line no-await-in-loop -- one after the other
  for (const step of steps) await step()
  await load.stop()
  const death = await proxy.stop()
  servers.close()
  rmSync(folder, { recursive: true })
  return {
    type,
    steps: rotator.steps,
    calls: load.calls,
    writes: servers.writes,
    naked: servers.naked,
    asked: servers.asked,
    log: proxy.log(),
    secrets: rotator.issued.map(({ secret }) => secret),
    death,
  }
}
