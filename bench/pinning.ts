/** Keeps the measured proxy apart from what loads it: CPU 0 for the proxy, CPU 1 for the rest. */
import { spawnSync } from 'node:child_process'
import { availableParallelism } from 'node:os'

const PROXY_CPU = '0'
const REST_CPU = '1'

export interface Pinning {
  /** For the report. */
  readonly description: string
  /** Puts a proxy's command onto its CPU. */
  readonly proxyCommand: (command: readonly string[]) => readonly string[]
}

const succeeds = (...args: readonly string[]): boolean => spawnSync('taskset', args).status === 0

const unpinned = (reason: string): Pinning => ({
  description: `not pinned (${reason})`,
  proxyCommand: (command) => command,
})

/** Moves this process, and with it every child that is not told otherwise. */
export const pin = (): Pinning => {
  if (availableParallelism() < 2) return unpinned('one CPU')
  if (!succeeds('-c', PROXY_CPU, process.execPath, '--version')) return unpinned('no taskset')
  if (!succeeds('-a', '-c', '-p', REST_CPU, String(process.pid))) {
    return unpinned(`CPU ${REST_CPU} is not to be had`)
  }
  return {
    description: `proxy on CPU ${PROXY_CPU}; load, upstream and token server on CPU ${REST_CPU}`,
    // taskset becomes the command it is given: the pid stays.
    proxyCommand: (command) => ['taskset', '-c', PROXY_CPU, ...command],
  }
}
