/** A command that runs beside the proxy, with the terminal as if it had been started alone. */
import type { ChildProcess, SpawnOptions } from 'node:child_process'
import { constants } from 'node:os'
import { systemCode } from '../errors.ts'
import { quotedInput } from '../quoted-input.ts'
import { EXIT, type Edge } from './edge.ts'

/** `spawn` of `node:child_process`. */
export type Spawn = (file: string, args: readonly string[], options: SpawnOptions) => ChildProcess

export interface ChildCommand {
  readonly kill: (signal: NodeJS.Signals) => void
  /** The exit code as a shell would tell it: 128 and the number of the signal that ended it. */
  readonly ended: Promise<number>
}

const notStarted = (edge: Edge, file: string, error: unknown): number => {
  const code = systemCode(error)
  const isMissing = code === 'ENOENT'
  const reason = isMissing ? 'there is no such command' : `it cannot be executed (${code})`
  edge.stderr.write(`service-key-proxy: cannot run ${quotedInput(file)}: ${reason}\n`)
  return isMissing ? EXIT.commandMissing : EXIT.commandRefused
}

/** As a shell would tell it. */
export const codeOf = (code: number | null, signal: NodeJS.Signals | null): number =>
  code ?? 128 + constants.signals[signal as NodeJS.Signals]

/** Without a shell: the arguments reach the command as they are. */
export const startCommand = (
  edge: Edge,
  spawn: Spawn,
  [file, ...args]: readonly [string, ...string[]],
  environment: Edge['environment'],
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
