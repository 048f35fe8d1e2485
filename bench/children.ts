/** Child processes that never outlive the benchmark: they are ended by pid, however it ends. */
import { spawn, type ChildProcess, type StdioOptions } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { createInterface } from 'node:readline'
import { endTogether } from '../test/fixtures/proxy-process.ts'

export interface Child {
  readonly pid: number
  readonly isRunning: () => boolean
  /** How it has ended; `undefined`: it has not. */
  readonly ending: () => string | undefined
  /** @param limit ms until it is killed */
  readonly stop: (limit?: number) => Promise<void>
}

export type Environment = Readonly<Record<string, string>>

const STOP_LIMIT_MS = 500

const running = new Set<ChildProcess>()

const endAll = (): void => {
  for (const child of running) child.kill('SIGTERM')
}

/** Ends the children when this process ends: at the end, by a failure or by a signal. */
export const endChildrenAtExit = (): void => endTogether(endAll)

const endingOf = ({ exitCode, signalCode }: ChildProcess): string | undefined => {
  if (signalCode !== null) return `ended by ${signalCode}`
  return exitCode === null ? undefined : `ended with exit code ${exitCode}`
}

/** The environment is given in full, so that no setting of the caller's shell reaches the child. */
const start = (command: readonly string[], env: Environment, stdio: StdioOptions) => {
  const [program = '', ...args] = command
  const handle = spawn(program, args, { env, stdio })
  running.add(handle)
  const ended = once(handle, 'exit').finally(() => running.delete(handle))
  const child: Child = {
    pid: handle.pid ?? 0,
    isRunning: () => endingOf(handle) === undefined,
    ending: () => endingOf(handle),
    stop: async (limit = STOP_LIMIT_MS) => {
      // nginx takes its worker along only if it is asked.
      handle.kill('SIGTERM')
      const late = setTimeout(() => handle.kill('SIGKILL'), limit)
      await ended
      clearTimeout(late)
    },
  }
  return { child, stdout: handle.stdout }
}

/** @param log file descriptor for its output; `undefined`: nobody wants it */
export const startSilent = (command: readonly string[], env: Environment, log?: number): Child =>
  start(command, env, ['ignore', log ?? 'ignore', log ?? 'ignore']).child

/** Resolves with the line that the child writes first. */
export const startAnnouncing = async (
  command: readonly string[],
  env: Environment,
): Promise<{ readonly child: Child; readonly line: string }> => {
  const { child, stdout } = start(command, env, ['ignore', 'pipe', 'inherit'])
  if (stdout === null) throw new Error('a child without a pipe')
  for await (const line of createInterface({ input: stdout })) return { child, line }
  throw new Error(`${command.join(' ')} ended before it listened`)
}

export const freePort = async (): Promise<number> => {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address() as AddressInfo
  probe.close()
  await once(probe, 'close')
  return port
}
