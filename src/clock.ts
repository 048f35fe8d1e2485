/** Time as an argument: everything that waits or measures gets a Clock, so tests own the time. */

/** One moment on two clocks, in milliseconds. */
export interface Instant {
  /** Never jumps, but may stand still while the machine sleeps. */
  readonly monotonic: number
  /** Goes on while the machine sleeps, but may be set back or forward. */
  readonly wall: number
}

export interface Clock {
  now(): Instant
  /** Only what measures durations. */
  monotonic(): number
  /**
   * Runs `task` once after `ms`; the returned function cancels it. In the `background` it does not
   * keep the process alive.
   */
  schedule(ms: number, task: () => void, options?: { readonly background: boolean }): () => void
}

export const systemClock: Clock = {
  now: () => ({ monotonic: performance.now(), wall: Date.now() }),
  monotonic: () => performance.now(),
  schedule(ms, task, { background } = { background: false }) {
    const timer = setTimeout(task, ms)
    if (background) timer.unref()
    return () => clearTimeout(timer)
  },
}

/**
 * Milliseconds from one moment to another by whichever clock counted more: a machine that slept
 * and a wall clock set back can then make something look too old, never too young.
 */
export const elapsed = (from: Instant, to: Instant): number =>
  Math.max(to.monotonic - from.monotonic, to.wall - from.wall)

/** Resolves after `ms`, or as soon as `signal` aborts. */
export const sleep = (clock: Clock, ms: number, signal?: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal?.aborted === true) return resolve()
    const finish = (): void => {
      cancel()
      signal?.removeEventListener('abort', finish)
      resolve()
    }
    const cancel = clock.schedule(ms, finish)
    signal?.addEventListener('abort', finish)
  })

/**
 * Runs `task` with a signal that aborts after `ms` or as soon as one of `signals` does. Timer and
 * listeners hold it: what `AbortSignal.any` makes of a time-out is collected under Node 20 and never
 * fires, and leaves something behind in each signal that lives on.
 */
export const withLimit = async <T>(
  clock: Clock,
  ms: number,
  signals: readonly AbortSignal[],
  task: (limit: AbortSignal) => Promise<T>,
): Promise<T> => {
  const limit = new AbortController()
  const abort = (): void => limit.abort()
  if (signals.some(({ aborted }) => aborted)) abort()
  const cancel = clock.schedule(ms, abort)
  for (const signal of signals) signal.addEventListener('abort', abort)
  try {
    return await task(limit.signal)
  } finally {
    cancel()
    for (const signal of signals) signal.removeEventListener('abort', abort)
  }
}

/** What `promise` resolves to, or `undefined` after `ms` or as soon as one of `signals` aborts. */
export const within = <T>(
  clock: Clock,
  ms: number,
  signals: readonly AbortSignal[],
  promise: Promise<T>,
): Promise<T | undefined> =>
  withLimit(clock, ms, signals, async (limit) => {
    const over = new Promise<void>((resolve) => {
      if (limit.aborted) resolve()
      else limit.addEventListener('abort', () => resolve())
    })
    return (await Promise.race([promise, over])) ?? undefined
  })
