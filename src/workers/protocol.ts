/**
 * What the primary process and its workers tell each other: plain data, as JSON carries it, in order.
 * Tokens travel here and nowhere else; the credential of a key never leaves the primary.
 */
import type { Readiness } from '../admin/readiness.ts'
import type { Instant } from '../clock.ts'
import type { Config } from '../config/load-config.ts'
import type { Failure } from '../errors.ts'

/** An access token with a number to name it by; its moments are those of the primary's clock. */
export interface WireToken {
  readonly id: number
  readonly value: string
  readonly requestedAt: Instant
  readonly lifetime: number
  readonly softAge: number
  readonly hardAge: number
}

/** What a worker needs to decide by itself about the token that is in use. */
export interface TokenCopy {
  /** `undefined`: none, or the API has rejected it. */
  readonly token?: WireToken | undefined
  /** Monotonic ms of the primary from which its rejection would bring another one. */
  readonly renewableAt: number
  /** Young tokens were rejected; the primary wants to know that one is accepted. */
  readonly doubted: boolean
}

/** One service key as its workers see it: where it leads, and its token. */
export interface KeyCopy extends TokenCopy {
  /** Its place among the keys. */
  readonly key: number
  /** Names the token source; another number when the key leads elsewhere. */
  readonly source: number
  readonly mounts: readonly { readonly prefix: string; readonly baseUrl: string }[]
}

export type WireOutcome =
  | { readonly ok: true; readonly token: WireToken }
  | { readonly ok: false; readonly failure: Failure }

/** Counters and gauges by name; those of several processes are added. */
export type Counters = Readonly<Record<string, number>>

export interface Welcome {
  readonly kind: 'welcome'
  /** Monotonic ms of the primary, taken after the worker's `hello`. */
  readonly at: number
  /** From 1 on; a worker that replaces another has its number. */
  readonly worker: number
  /** With the worker's own share of what is limited for all. */
  readonly config: Config
  readonly ca?: readonly string[] | undefined
  readonly level: string
  readonly keys: readonly KeyCopy[]
  readonly readiness: Readiness
}

export type ToWorker =
  | Welcome
  | { readonly kind: 'key'; readonly copy: KeyCopy }
  | { readonly kind: 'answer'; readonly id: number; readonly outcome: WireOutcome }
  | { readonly kind: 'readiness'; readonly readiness: Readiness }
  | { readonly kind: 'level'; readonly level: string }
  | { readonly kind: 'count'; readonly id: number }
  | { readonly kind: 'stop' }

/** What concerns a token source; `token` is the number of the token. */
export type TokenMessage =
  | { readonly kind: 'ask'; readonly source: number; readonly id: number }
  | { readonly kind: 'leave'; readonly id: number }
  | { readonly kind: 'used' | 'accepted'; readonly source: number }
  | { readonly kind: 'rejected' | 'refresh'; readonly source: number; readonly token: number }

export type ToPrimary =
  | { readonly kind: 'hello' }
  | { readonly kind: 'listening'; readonly port: number }
  /** It cannot listen; `code` is that of the system. */
  | { readonly kind: 'failed'; readonly code: string }
  /** It takes no more connections, and ends when the last request is done. */
  | { readonly kind: 'leaving' }
  | { readonly kind: 'counters'; readonly id: number; readonly counters: Counters }
  | TokenMessage

/** A worker's end. */
export interface PrimaryChannel {
  send(message: ToPrimary): void
  onMessage(listener: (message: ToWorker) => void): void
}

/** The primary's end of one worker. Sending to one that has ended does nothing. */
export interface WorkerProcess {
  send(message: ToWorker): void
  onMessage(listener: (message: ToPrimary) => void): void
  /** @param listener told once or more, with an exit code or the name of a signal */
  onExit(listener: (cause: string) => void): void
  /** Ends it at once. */
  kill(): void
}

export type ForkWorker = () => WorkerProcess
