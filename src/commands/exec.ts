/** Runs a command with the proxy beside it; both end together. */
import type { ChildProcess, SpawnOptions } from 'node:child_process'
import { type Clock, elapsed, sleep } from '../clock.ts'
import type { Environment, Flags } from '../config/load-config.ts'
import { quotedInput } from '../config/setting-types.ts'
import { systemCode } from '../errors.ts'
import { childExitCode, EXIT, type Process, type Running } from './process.ts'
import { serve } from './serve.ts'

interface ExecOptions {
  readonly spawn: Spawn
  readonly clock: Clock
  /** Whether this program runs at a terminal. */
  readonly terminal: boolean
}

/** `spawn` of `node:child_process`. */
export type Spawn = (file: string, args: readonly string[], options: SpawnOptions) => ChildProcess

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
  process: Process,
  flags: Flags,
  command: readonly [string, ...string[]],
  { spawn, clock, terminal }: ExecOptions,
): Promise<Accompanied | number> => {
  const { environment, stderr } = process
  const own = { ...process, stdout: stderr, environment: withDefaults(environment) }
  const running = await serve(own, flags)
  if (typeof running === 'number') return running
  await awaitFirstToken(process, running, clock)
  const child = startCommand(spawn, command, { ...environment, ENTITIES_URL: running.url }, stderr)
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

const NEVER_ENDS = new Promise<never>(() => {})

const withDefaults = (environment: Environment): Environment => {
  const set = Object.entries(environment).filter(([, value]) => value !== '')
  return { ...DEFAULTS, ...Object.fromEntries(set) }
}

/** What differs from `serve`, unless it is set: the command is the only caller. */
const DEFAULTS: Environment = {
  SKP_PORT: '0',
  SKP_HOST: '127.0.0.1',
  SKP_ADMIN_PORT: '0',
  SKP_DRAIN_DELAY: '0ms',
}

/** The command starts in any case: what it does first may not need the API. */
const awaitFirstToken = async (
  { stderr }: Process,
  { readiness }: Running,
  clock: Clock,
): Promise<void> => {
  const startedAt = clock.now()
  while (readiness().early && elapsed(startedAt, clock.now()) < FIRST_TOKEN_LIMIT_MS) {
    // oxlint-disable-next-line no-await-in-loop -- waits for time to pass
    await sleep(clock, LOOK_MS)
  }
  const { ready, reasons } = readiness()
  if (ready) return
  const list = reasons.map((reason) => `  - ${reason}\n`).join('')
  stderr.write(
    `service-key-proxy: not ready, but the command starts all the same:\n${list}` +
      'To see more:\n  service-key-proxy check\n',
  )
}

const FIRST_TOKEN_LIMIT_MS = 10_000

const LOOK_MS = 20

/** Without a shell: the arguments reach the command as they are, and the terminal is its own too. */
const startCommand = (
  spawn: Spawn,
  [file, ...args]: readonly [string, ...string[]],
  environment: Environment,
  stderr: Process['stderr'],
) => {
  let child: ChildProcess
  try {
    child = spawn(file, args, { stdio: 'inherit', env: environment })
  } catch (error) {
    return { kill() {}, ended: Promise.resolve(notStarted(stderr, file, error)) }
  }
  const ended = new Promise<number>((resolve) => {
    child.once('exit', (code, signal) => resolve(childExitCode(code, signal)))
    child.on('error', (error) => {
      if (child.pid === undefined) return resolve(notStarted(stderr, file, error))
      // Such as one that runs as another user.
      stderr.write(`service-key-proxy: the command got no signal (${systemCode(error)})\n`)
    })
  })
  const kill = (signal: NodeJS.Signals): void => {
    // Node sends the signal of a command that did not start to whatever number its memory holds, and
    // 0 is the group of this program: its shell, its pod's other processes.
    if (child.pid !== undefined) child.kill(signal)
  }
  return { kill, ended }
}

const notStarted = (stderr: Process['stderr'], file: string, error: unknown): number => {
  const code = systemCode(error)
  const isMissing = code === 'ENOENT'
  const reason = isMissing ? 'there is no such command' : `it cannot be executed (${code})`
  stderr.write(`service-key-proxy: cannot run ${quotedInput(file)}: ${reason}\n`)
  return isMissing ? EXIT.commandMissing : EXIT.commandRefused
}
