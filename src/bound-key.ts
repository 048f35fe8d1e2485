/**
 * One service key for as long as the program runs: takes over what the platform replaces, without a
 * break. A new key is used once it has yielded a token; until then, and if it does not, the old one
 * stays.
 */
import type { Logger } from 'pino'
import type { CredentialState } from './admin/exposition.ts'
import type { KeyView } from './console/console-sample.ts'
import type { KeyState } from './admin/readiness.ts'
import { elapsed, type Instant } from './clock.ts'
import { KeyGeneration, type GenerationOptions, type MountedKeys } from './key-generation.ts'
import { watchCertificate } from './logging/certificate-log.ts'
import { tokenLog } from './logging/token-log.ts'
import type { Mount } from './proxy/mount.ts'
import type { KeyReading, KeySource } from './service-key/key-source.ts'

export interface BoundKeyOptions extends GenerationOptions {
  readonly source: KeySource
  /** What the source says at the start. */
  readonly reading: KeyReading
  readonly log: Logger
  /** Told when `mounts` has changed. */
  readonly onMounts: () => void
}

/** Added to what callers are told where the credential is rejected. */
const ONLY_RESTART =
  'The service key came with the environment: bind a valid one, then restart the proxy.'

/** Requests under way go on with what they began with; none takes longer than this to get its token. */
const RETIRED_MS = 600_000

export class BoundKey {
  readonly #options: BoundKeyOptions
  readonly #retired = new Map<KeyGeneration, () => void>()
  #generation: KeyGeneration
  #takenAt: Instant
  #refused: string | undefined
  #origin: string
  #asked = false
  #reloading: Promise<void> | undefined
  #endCertificateWatch: (() => void) | undefined
  #closed = false

  constructor(options: BoundKeyOptions) {
    this.#options = options
    this.#takenAt = options.clock.now()
    this.#origin = options.reading.origin
    this.#generation = this.#createGeneration(options.reading.keys)
  }

  get mounts(): readonly Mount[] {
    return this.#generation.mounts
  }

  state(): KeyState {
    const { source } = this.#options
    return { name: source.name, token: this.#generation.tokens.state(), refused: this.#refused }
  }

  /** How old the key in use is, and how long its certificate lasts. */
  credential(): CredentialState {
    const now = this.#options.clock.now()
    const { validity } = this.#generation
    return {
      ageSeconds: elapsed(this.#takenAt, now) / 1000,
      expiresInSeconds: validity && (validity.notAfter - now.wall) / 1000,
    }
  }

  /** What the console shows of it. */
  view(): KeyView {
    const { tokenHost, mounts, tokens } = this.#generation
    return {
      origin: this.#origin,
      watched: this.#options.reading.watch.length > 0,
      tokenHost,
      mounts: mounts.map(({ prefix, baseUrl }) => ({
        prefix: `${prefix}/`,
        baseUrl: baseUrl.origin + baseUrl.pathname,
      })),
      state: this.state(),
      credential: this.credential(),
      timeline: tokens.timeline(),
    }
  }

  /** Fetches the first token. */
  start(): void {
    this.#generation.tokens.start()
    this.#watchCertificate()
  }

  /**
   * Reads the key again, and takes over what has changed. Never rejects. One at a time: what is
   * asked for meanwhile happens once more after it.
   */
  reload(): Promise<void> {
    this.#asked = true
    this.#reloading ??= this.#reloadWhileAsked()
    return this.#reloading
  }

  async #reloadWhileAsked(): Promise<void> {
    while (this.#asked && !this.#closed) {
      this.#asked = false
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      await this.#reload()
    }
    this.#reloading = undefined
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#endCertificateWatch?.()
    for (const cancel of this.#retired.values()) cancel()
    const generations = [this.#generation, ...this.#retired.keys()]
    await Promise.all(generations.map((generation) => generation.close()))
  }

  async #reload(): Promise<void> {
    const { source, log, clock, metrics } = this.#options
    const reading = source.read()
    if (!reading.ok) return this.#refuse(reading.problems.join('; '))
    const { keys } = reading
    const generation = this.#generation
    const known = generation.leadsWhere(keys)
    if (known && generation.uses(keys)) {
      this.#refused = undefined
      return
    }
    const adopted = known ? await generation.adopt(keys) : await this.#succeed(keys)
    if (this.#closed) return
    if (!adopted) return this.#refuse('it yields no token')
    this.#refused = undefined
    this.#takenAt = clock.now()
    this.#origin = reading.origin
    metrics.reload('taken')
    this.#watchCertificate()
    log.info(`the service key has changed and is in use: ${reading.origin}`)
  }

  /** Another token server or base URL: everything is built anew beside the old. */
  async #succeed(keys: MountedKeys): Promise<boolean> {
    const { clock, onMounts } = this.#options
    const next = this.#createGeneration(keys)
    const { ok } = await next.tokens.acquire()
    if (!ok || this.#closed) {
      await next.close()
      return false
    }
    const old = this.#generation
    const cancel = clock.schedule(RETIRED_MS, () => {
      this.#retired.delete(old)
      void old.close()
    })
    this.#retired.set(old, cancel)
    this.#generation = next
    onMounts()
    return true
  }

  #createGeneration(keys: MountedKeys): KeyGeneration {
    const { log, clock, redactor, reading } = this.#options
    const options =
      reading.watch.length === 0 ? { ...this.#options, advice: ONLY_RESTART } : this.#options
    const [{ key }] = keys
    const generation: KeyGeneration = new KeyGeneration(options, keys, {
      onOutcome: tokenLog({ log, clock, tokenHost: key.tokenEndpoint.host, redactor }),
      // One that is still being tried must not wait for the reload that tries it.
      onRejected: async () => {
        if (generation === this.#generation) await this.reload()
      },
    })
    return generation
  }

  #refuse(problem: string): void {
    const { log, metrics } = this.#options
    if (problem !== this.#refused) {
      metrics.reload('refused')
      log.error(
        { reason: problem },
        'the service key has changed, but cannot be used; the old one is kept',
      )
    }
    this.#refused = problem
  }

  #watchCertificate(): void {
    const { log, clock } = this.#options
    const { validity } = this.#generation
    this.#endCertificateWatch?.()
    this.#endCertificateWatch = validity && watchCertificate({ log, clock, validity })
  }
}
