/**
 * One service key for as long as the program runs: takes over what the platform replaces, without a
 * break. A new key is used once it has yielded a token; until then, and if it does not, the old one
 * stays.
 */
import type { Logger } from 'pino'
import type { CredentialState } from '../admin/exposition.ts'
import type { KeyState } from '../admin/readiness.ts'
import { elapsed, type Instant } from '../clock.ts'
import type { KeyView } from '../console/console-status.ts'
import { reasonOf, secondsSince, tokenLog, watchCertificate } from '../logging/key-log.ts'
import type { Route } from '../proxy/route.ts'
import type { KeyReading, KeySource } from '../service-key/key-source.ts'
import type { TokenFailure } from '../token/token-response.ts'
import type { CredentialRole, GrantOutcome } from '../token/token-source.ts'
import { KeySnapshot, type RoutedKeys, type SnapshotOptions } from './key-snapshot.ts'

interface BoundKeyOptions extends SnapshotOptions {
  readonly source: KeySource
  /** What the source says at the start. */
  readonly reading: KeyReading
  readonly log: Logger
  /** Told when `routes` has changed. */
  readonly onRoutes: () => void
}

export class BoundKey {
  readonly #options: BoundKeyOptions
  readonly #tokenLog: ReturnType<typeof tokenLog>
  readonly #draining = new Map<KeySnapshot, () => void>()
  #snapshot: KeySnapshot
  #takenAt: Instant
  #refusal: { readonly problem: string; readonly since: Instant } | undefined
  /** Of the last key that was tried. */
  #failure: TokenFailure | undefined
  #origin: string
  #asked = false
  #reloading: Promise<void> | undefined
  #endCertificateWatch: (() => void) | undefined
  #closed = false

  constructor(options: BoundKeyOptions) {
    this.#options = options
    this.#tokenLog = tokenLog(options)
    this.#takenAt = options.clock.now()
    this.#origin = options.reading.origin
    this.#snapshot = this.#createSnapshot(options.reading.keys)
  }

  get routes(): readonly Route[] {
    return this.#snapshot.routes
  }

  state(): KeyState {
    const { source } = this.#options
    const refused = this.#refusal?.problem
    return { name: source.name, token: this.#snapshot.tokens.state(), refused }
  }

  /** How old the key in use is, and how long its certificate lasts. */
  credential(): CredentialState {
    const now = this.#options.clock.now()
    const { validity } = this.#snapshot
    return {
      ageSeconds: elapsed(this.#takenAt, now) / 1000,
      expiresInSeconds: validity && (validity.notAfter - now.wall) / 1000,
    }
  }

  /** What the console shows of it. */
  view(): KeyView {
    const { tokenHost, routes, tokens } = this.#snapshot
    return {
      origin: this.#origin,
      watched: this.#options.reading.watch.length > 0,
      tokenHost,
      routes: routes.map(({ prefix, baseUrl }) => ({
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
    this.#snapshot.tokens.start()
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

  async close(): Promise<void> {
    this.#closed = true
    this.#endCertificateWatch?.()
    for (const cancel of this.#draining.values()) cancel()
    const snapshots = [this.#snapshot, ...this.#draining.keys()]
    await Promise.all(snapshots.map((snapshot) => snapshot.close()))
  }

  async #reloadWhileAsked(): Promise<void> {
    while (this.#asked && !this.#closed) {
      this.#asked = false
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      await this.#reload()
    }
    this.#reloading = undefined
  }

  async #reload(): Promise<void> {
    const { source, log, clock, metrics } = this.#options
    const reading = source.read()
    if (!reading.ok) return this.#refuse(reading.problems.join('; '))
    const { keys } = reading
    const snapshot = this.#snapshot
    const known = snapshot.leadsWhere(keys)
    if (known && snapshot.uses(keys)) return this.#endRefusal('is the one in use again')
    this.#failure = undefined
    const adopted = known ? await snapshot.adopt(keys) : await this.#succeed(keys)
    if (this.#closed) return
    if (!adopted) return this.#refuse('it yields no token', this.#failure)
    this.#takenAt = clock.now()
    this.#origin = reading.origin
    metrics.reloads.add('taken')
    this.#watchCertificate()
    log.info(`the service key has changed and is in use: ${reading.origin}`)
    this.#endRefusal('can be used again')
  }

  /** Another token server or base URL: everything is built anew beside the old. */
  async #succeed(keys: RoutedKeys): Promise<boolean> {
    const { clock, onRoutes } = this.#options
    const next = this.#createSnapshot(keys)
    const { ok } = await next.tokens.acquire()
    if (!ok || this.#closed) {
      await next.close()
      return false
    }
    const old = this.#snapshot
    const cancel = clock.schedule(DRAIN_MS, () => {
      this.#draining.delete(old)
      void old.close()
    })
    this.#draining.set(old, cancel)
    this.#snapshot = next
    onRoutes()
    return true
  }

  #createSnapshot(keys: RoutedKeys): KeySnapshot {
    const { reading } = this.#options
    const options =
      reading.watch.length === 0 ? { ...this.#options, advice: ONLY_RESTART } : this.#options
    const snapshot: KeySnapshot = new KeySnapshot(options, keys, {
      onOutcome: (outcome, role) => this.#observe(snapshot, outcome, role),
      // One that is still being tried must not wait for the reload that tries it.
      onRejected: async () => {
        if (snapshot === this.#snapshot) await this.reload()
      },
    })
    return snapshot
  }

  #observe(snapshot: KeySnapshot, outcome: GrantOutcome, role: CredentialRole): void {
    const replaced = this.#draining.has(snapshot)
    const used = snapshot === this.#snapshot || (outcome.ok && !replaced)
    const own = used ? role : 'unused'
    if (!outcome.ok) {
      if (outcome.failure.kind === 'rejected') this.#options.metrics.tokenRejected(own)
      if (own === 'unused' && !replaced) this.#failure = outcome.failure
    }
    this.#tokenLog(snapshot.tokenHost, outcome, own)
  }

  /** @param failure of the token server, where that is the problem */
  #refuse(what: string, failure?: TokenFailure): void {
    const { log, metrics, clock } = this.#options
    const problem = failure === undefined ? what : `${what}: the token server ${failure.reason}`
    const { since = clock.now(), problem: told } = this.#refusal ?? {}
    this.#refusal = { problem, since }
    if (problem === told) return
    metrics.reloads.add('refused')
    log.warn(
      { ...(failure && reasonOf(failure)), reason: problem },
      'the service key has changed, but cannot be used; the old key stays in use',
    )
  }

  #endRefusal(how: string): void {
    const { log, clock } = this.#options
    if (this.#refusal === undefined) return
    const lasted_s = secondsSince(this.#refusal.since, clock)
    log.info({ lasted_s }, `what is delivered as the service key ${how}`)
    this.#refusal = undefined
  }

  #watchCertificate(): void {
    const { log, clock } = this.#options
    const { validity } = this.#snapshot
    this.#endCertificateWatch?.()
    this.#endCertificateWatch = validity && watchCertificate(log, clock, validity)
  }
}

/** Requests under way go on with what they began with; none takes longer than this to get its token. */
const DRAIN_MS = 600_000

/** Added to what callers are told where the credential is rejected. */
const ONLY_RESTART =
  'The service key came with the environment: bind a valid one, then restart the proxy.'
