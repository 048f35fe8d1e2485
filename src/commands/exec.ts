/** Runs a command with the proxy beside it; both end together. */
import type { ChildProcess, SpawnOptions } from 'node:child_process'
import { constants } from 'node:os'
import { type Clock, elapsed, sleep } from '../clock.ts'
import type { Environment, Flags } from '../config/load-config.ts'
import { quotedInput } from '../config/setting-types.ts'
import { systemCode } from '../errors.ts'
import { type Process, EXIT, type Running } from './process.ts'
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

/**
 * The log goes to standard error: standard output is the command's. Its environment is the one of
 * the caller and `ENTITIES_URL`. Nothing is taken out: it runs as the same user, who can read
 * whatever this program can, and it needs `SKP_CALLER_TOKEN`, if there is one, to call the proxy.
 *
 * @param command file and arguments
 * @returns the exit code instead, if the proxy cannot start; then the command is not started
 */
export const exec = async (
  edge: Process,
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

/* FOLDED: A command that runs beside the proxy, with the terminal as if it had been started alone. */

/** `spawn` of `node:child_process`. */
export type Spawn = (file: string, args: readonly string[], options: SpawnOptions) => ChildProcess

export interface ChildCommand {
  readonly kill: (signal: NodeJS.Signals) => void
  /** The exit code as a shell would tell it: 128 and the number of the signal that ended it. */
  readonly ended: Promise<number>
}

/** As a shell would tell it. */
export const codeOf = (code: number | null, signal: NodeJS.Signals | null): number =>
  code ?? 128 + constants.signals[signal as NodeJS.Signals]

/** Without a shell: the arguments reach the command as they are. */
export const startCommand = (
  edge: Process,
  spawn: Spawn,
  [file, ...args]: readonly [string, ...string[]],
  environment: Process['environment'],
): ChildCommand => {
  let child: ChildProcess
  try {
    child = spawn(file, args, { stdio: 'inherit', env: environment })
  } catch (error) {
    return { kill() {}, ended: Promise.resolve(notStarted(edge, file, error)) }
  }
  const ended = new Promise<number>((resolve) => {
    child.once('exit', (code, signal) => resolve(codeOf(code, signal)))
    child.on('error', (error) => {
      if (child.pid === undefined) return resolve(notStarted(edge, file, error))
      // Such as one that runs as another user.
      edge.stderr.write(`service-key-proxy: the command got no signal (${systemCode(error)})\n`)
    })
  })
  const kill = (signal: NodeJS.Signals): void => {
    // Node sends the signal of a command that did not start to whatever number its memory holds, and
    // 0 is the group of this program: its shell, its pod's other processes.
    if (child.pid !== undefined) child.kill(signal)
  }
  return { kill, ended }
}

const withDefaults = (environment: Environment): Environment => {
  const set = Object.entries(environment).filter(([, value]) => value !== '')
  return { ...DEFAULTS, ...Object.fromEntries(set) }
}

/** The command starts in any case: what it does first may not need the API. */
const awaitFirstToken = async (edge: Process, running: Running, clock: Clock): Promise<void> => {
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

const NEVER_ENDS = new Promise<never>(() => {})

/** What differs from `serve`, unless it is set: the command is the only caller. */
const DEFAULTS: Environment = {
  SKP_PORT: '0',
  SKP_HOST: '127.0.0.1',
  SKP_ADMIN_PORT: '0',
  SKP_DRAIN_DELAY: '0ms',
}

const FIRST_TOKEN_LIMIT_MS = 10_000

const LOOK_MS = 20

const NEVER = new AbortController().signal

const notStarted = (edge: Process, file: string, error: unknown): number => {
  const code = systemCode(error)
  const isMissing = code === 'ENOENT'
  const reason = isMissing ? 'there is no such command' : `it cannot be executed (${code})`
  edge.stderr.write(`service-key-proxy: cannot run ${quotedInput(file)}: ${reason}\n`)
  return isMissing ? EXIT.commandMissing : EXIT.commandRefused
}
