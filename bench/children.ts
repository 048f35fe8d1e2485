/** Child processes that never outlive the benchmark: they are ended by pid, however it ends. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { createInterface } from 'node:readline'

export interface Child {
  readonly pid: number
  readonly isRunning: () => boolean
  readonly stop: () => Promise<void>
}

type Environment = Readonly<Record<string, string>>

const running = new Set<ChildProcess>()

const endAll = (): void => {
  for (const child of running) child.kill('SIGKILL')
}

/** Ends the children when this process ends: at the end, by a failure or by a signal. */
export const endChildrenAtExit = (): void => {
  process.on('exit', endAll)
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const) {
    process.on(signal, () => process.exit(code))
  }
}

/** The environment is given in full, so that no setting of the caller's shell reaches the child. */
const start = (command: readonly string[], env: Environment, stdout: 'pipe' | 'ignore') => {
  const [program = '', ...args] = command
  const handle = spawn(program, args, { env, stdio: ['ignore', stdout, 'inherit'] })
  running.add(handle)
  const ended = once(handle, 'exit').finally(() => running.delete(handle))
  const child: Child = {
    pid: handle.pid ?? 0,
    isRunning: () => handle.exitCode === null && handle.signalCode === null,
    stop: async () => {
      handle.kill('SIGKILL')
      await ended
    },
  }
  return { child, stdout: handle.stdout }
}

/** Its standard output goes to /dev/null. */
export const startSilent = (command: readonly string[], env: Environment): Child =>
  start(command, env, 'ignore').child

/** Resolves with what the child writes first: its URL. */
export const startAnnouncing = async (
  command: readonly string[],
  env: Environment,
): Promise<{ readonly child: Child; readonly url: string }> => {
  const { child, stdout } = start(command, env, 'pipe')
  if (stdout === null) throw new Error('a child without a pipe')
  for await (const url of createInterface({ input: stdout })) return { child, url }
  throw new Error(`${command.join(' ')} ended before it listened`)
}

/** For a child that tells its port only where nobody reads it. */
export const freePort = async (): Promise<number> => {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address() as AddressInfo
  probe.close()
  await once(probe, 'close')
  return port
}
