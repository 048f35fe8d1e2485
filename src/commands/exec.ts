/** Runs a command with the proxy beside it; both end together. */
import { elapsed, sleep, type Clock } from '../clock.ts'
import type { Environment, Flags } from '../config/load-config.ts'
import { startCommand, type Spawn } from './child-command.ts'
import type { Edge, Running } from './edge.ts'
import { serve } from './serve.ts'

export interface ExecOptions {
  readonly spawn: Spawn
  readonly clock: Clock
  /** Whether this program runs at a terminal. */
  readonly terminal: boolean
}

export interface Accompanied extends Pick<Running, 'stop' | 'flush'> {
  readonly forward: (signal: NodeJS.Signals) => void
  /** Resolves with the exit code of the command when the proxy has stopped after it; never after `stop`. */
  readonly ended: Promise<number>
}

/** What differs from `serve`, unless it is set: the command is the only caller. */
const DEFAULTS: Environment = {
  SKP_PORT: '0',
  SKP_HOST: '127.0.0.1',
  SKP_ADMIN_PORT: '0',
  SKP_DRAIN_DELAY: '0ms',
}

const FIRST_TOKEN_LIMIT_MS = 10_000
const LOOK_MS = 20

const NEVER_ENDS = new Promise<never>(() => {})
const NEVER = new AbortController().signal

const withDefaults = (environment: Environment): Environment => {
  const set = Object.entries(environment).filter(([, value]) => value !== '')
  return { ...DEFAULTS, ...Object.fromEntries(set) }
}

/** The command starts in any case: what it does first may not need the API. */
const awaitFirstToken = async (edge: Edge, running: Running, clock: Clock): Promise<void> => {
  const startedAt = clock.now()
  while (running.readiness().early && elapsed(startedAt, clock.now()) < FIRST_TOKEN_LIMIT_MS) {
    // oxlint-disable-next-line no-await-in-loop -- waits for time to pass
    await sleep(clock, LOOK_MS, NEVER)
  }
  const { ready, reasons } = running.readiness()
  if (ready) return
  const list = reasons.map((reason) => `  - ${reason}\n`).join('')
  edge.stderr.write(
    `service-key-proxy: not ready, but the command starts all the same:\n${list}` +
      'To see more:\n  service-key-proxy check\n',
  )
}

/**
 * The log goes to standard error: standard output is the command's. Its environment is the one of
 * the caller and `ENTITIES_URL`. Nothing is taken out: it runs as the same user, who can read
 * whatever this program can, and it needs `SKP_CALLER_TOKEN`, if there is one, to call the proxy.
 *
 * @param command file and arguments
 * @returns the exit code instead, if the proxy cannot start; then the command is not started
 */
export const exec = async (
  edge: Edge,
  flags: Flags,
  command: readonly [string, ...string[]],
  { spawn, clock, terminal }: ExecOptions,
): Promise<Accompanied | number> => {
  const { environment, stderr } = edge
  const own = { ...edge, stdout: stderr, environment: withDefaults(environment) }
  const running = await serve(own, flags)
  if (typeof running === 'number') return running
  await awaitFirstToken(edge, running, clock)
  const child = startCommand(edge, spawn, command, { ...environment, ENTITIES_URL: running.url })
  let isStopped = false
  return {
    forward(signal) {
      // The terminal has sent it to both already, and a second one often means "at once".
      if (!(terminal && signal === 'SIGINT')) child.kill(signal)
    },
    async stop(crash) {
      isStopped = true
      child.kill('SIGTERM')
      await running.stop(crash)
    },
    flush: running.flush,
    ended: child.ended.then(async (code) => {
      if (isStopped) return NEVER_ENDS
      await running.stop()
      return code
    }),
  }
}
