/** The key as Kubernetes routes it, and a new one with an overlap in which both are good. */
import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { createKubeletVolume, type KubeletVolume } from '../fixtures/kubelet-volume.ts'

export interface KeyFields {
  readonly entities: string
  readonly url: string
  readonly clientid: string
}

/** How long the replaced secret stays good. */
const OVERLAP_MS = 2_000

export class RotatedKey {
  /** Good now; the token server looks here. */
  readonly good = new Set<string>()
  readonly issued: string[] = []
  rotations = 0
  readonly #fields: () => KeyFields
  #volume: KubeletVolume | undefined

  constructor(fields: () => KeyFields) {
    this.#fields = fields
  }

  route(path: string): void {
    this.#volume = createKubeletVolume(path, this.#files(this.#issue()))
  }

  async rotate(): Promise<void> {
    const old = [...this.good]
    this.#volume?.write(this.#files(this.#issue()))
    this.rotations += 1
    await sleep(OVERLAP_MS)
    for (const secret of old) this.good.delete(secret)
  }

  #issue(): string {
    const secret = `${randomBytes(24).toString('base64')}+/=`
    this.good.add(secret)
    this.issued.push(secret)
    return secret
  }

  #files(clientsecret: string) {
    return { type: 'integration-assessment', ...this.#fields(), clientsecret }
  }
}
