/**
 * The trace a request belongs to (W3C Trace Context, https://www.w3.org/TR/trace-context/): kept
 * where the caller names one, started where it does not. Records nothing by itself.
 */
import { randomBytes } from 'node:crypto'
import type { Clock } from '../clock.ts'
import type { TokenGrant } from '../token/token-source.ts'

/** What became of a request, for whoever records it. */
export interface TraceResult {
  /** `undefined`: no head of an answer was sent. */
  readonly status: number | undefined
  /** Code of an answer that the proxy made itself. */
  readonly failure: string | undefined
  readonly token: string | undefined
  readonly ids: { readonly requestId: string; readonly correlationId: string }
}

/** One request as a part of a trace. */
export interface RequestTrace {
  /** 32 hexadecimal digits. */
  readonly traceId: string
  /** 16 hexadecimal digits: the span recorded here, or that of the caller where none is. */
  readonly spanId: string
  /** Whether the caller began it; without its `traceparent` a `tracestate` means nothing (§4.3). */
  readonly continued: boolean
  /**
   * The request goes to the API now.
   * @param origin of the API
   * @param path with its query
   * @returns the value of `traceparent` for it
   */
  forward(origin: string, path: string): string
  /** The request is done. To be called once. */
  end(result: TraceResult): void
}

/** How a request that arrives gets its trace. */
export type OpenTrace = (method: string, traceparent: unknown, target: string) => RequestTrace

export interface Tracing {
  readonly open: OpenTrace
  /** @returns the same grant, with a span for every exchange */
  readonly traceGrant: (grant: TokenGrant, endpoint: URL) => TokenGrant
  /** Hands over what is left, within a limit. Never rejects. */
  readonly stop: () => Promise<void>
}

export interface TracingOptions {
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly version: string
  readonly clock: Clock
  /** Told why spans are lost, in words that are safe to log. */
  readonly onProblem: (reason: string) => void
}

interface TraceParent {
  readonly traceId: string
  readonly spanId: string
  readonly sampled: boolean
}

/** @returns `undefined` for anything that §3.2 calls invalid */
export const parseTraceparent = (value: unknown): TraceParent | undefined => {
  const [, traceId, spanId, flags] = (typeof value === 'string' && TRACEPARENT.exec(value)) || []
  if (traceId === undefined || spanId === undefined) return undefined
  return { traceId, spanId, sampled: (Number.parseInt(flags as string, 16) & 1) === 1 }
}

export const formatTraceparent = ({ traceId, spanId, sampled }: TraceParent): string =>
  `00-${traceId}-${spanId}-${sampled ? '01' : '00'}`

/** Passes on the caller's `traceparent` as it is, or a new one that says "not recorded". */
export const passTrace = (traceparent: unknown): RequestTrace => {
  const parent = parseTraceparent(traceparent)
  if (parent !== undefined) return new PassedTrace(parent, traceparent as string, true)
  const digits = randomBytes(24).toString('hex')
  const started = { traceId: digits.slice(0, 32), spanId: digits.slice(32), sampled: false }
  return new PassedTrace(started, formatTraceparent(started), false)
}

/** Version 00 has nothing after the flags, later ones may; ff and ids of zeros are forbidden. */
const TRACEPARENT =
  /^(?!ff|00.{54})[\da-f]{2}-(?!0{32})([\da-f]{32})-(?!0{16})([\da-f]{16})-([\da-f]{2})(?:-|$)/

class PassedTrace implements RequestTrace {
  readonly traceId: string
  readonly spanId: string
  readonly continued: boolean
  readonly #traceparent: string

  constructor({ traceId, spanId }: TraceParent, traceparent: string, continued: boolean) {
    this.traceId = traceId
    this.spanId = spanId
    this.continued = continued
    this.#traceparent = traceparent
  }

  forward(): string {
    return this.#traceparent
  }

  end(): void {}
}
