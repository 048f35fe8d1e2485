/** Worker processes of `node:cluster`, which lets them share a port. Loaded where there are to be any. */
import { WORKER } from './commands/command-line.ts'
import { systemCode } from './errors.ts'
import type { ForkWorker, ToPrimary } from './workers/protocol.ts'

/**
 * Every worker takes connections from the port by itself, unless `NODE_CLUSTER_SCHED_POLICY` says
 * otherwise: what the primary had handed to a worker that is killed would hang for ever.
 *
 * @param schedulingPolicy `NODE_CLUSTER_SCHED_POLICY`
 * @returns starts a process with the environment of this one; nothing in a process that is itself a
 *   worker of some cluster
 */
export const forkWorkers = async (
  schedulingPolicy: string | undefined,
): Promise<ForkWorker | undefined> => {
  const { default: cluster } = await import('node:cluster')
  if (!cluster.isPrimary) return undefined
  if (schedulingPolicy === undefined) cluster.schedulingPolicy = cluster.SCHED_NONE
  // Flags may hold secrets; workers get their settings in a message.
  cluster.setupPrimary({ args: [WORKER] })
  return () => {
    const worker = cluster.fork()
    return {
      send(message) {
        if (worker.isConnected()) worker.send(message, () => {})
      },
      onMessage: (listener) => void worker.on('message', (message: ToPrimary) => listener(message)),
      onExit(listener) {
        worker.once('exit', (code, signal) => listener(signal ?? `exit code ${code}`))
        // A process that could not be started has no other end.
        worker.on('error', (error) => listener(systemCode(error)))
      },
      kill: () => void worker.process.kill('SIGKILL'),
    }
  }
}
