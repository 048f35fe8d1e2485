/**
 * A command in a process of its own, which is ended once it has told its exit code. A resolver of the
 * system that hangs keeps a thread that no limit of ours reaches and for which `process.exit` waits.
 */
import type { ChildProcess } from 'node:child_process'
import type { Clock } from '../clock.ts'
import { codeOf } from './child-command.ts'

/** For an end by itself. */
const GRACE_MS = 1_000

/**
 * @param child tells its exit code as a message when its output is written
 * @returns that code, or else the one it ends with
 */
export const endApart = (child: ChildProcess, clock: Clock): Promise<number> =>
  new Promise((resolve) => {
    let told: number | undefined
    child.once('message', (code) => {
      told = Number(code)
      const cancel = clock.schedule(GRACE_MS, () => void child.kill('SIGKILL'))
      child.once('exit', cancel)
    })
    child.once('exit', (code, signal) => resolve(told ?? codeOf(code, signal)))
  })
