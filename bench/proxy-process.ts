/** Starts the process of a proxy: on its CPU and, if one is wanted, in a container of its own. */
import { startSilent, type Child, type Environment } from './children.ts'
import type { Cgroup, Cgroups } from './cgroup.ts'
import type { Pinning } from './pinning.ts'
import { peakMegabytes } from './process-figures.ts'

export interface ProxyProcess extends Child {
  /** Most memory that was ever resident, in MB. */
  readonly peak: () => number | undefined
  /** The same as its container sees it. */
  readonly containerPeak: () => number | undefined
  /** Why it is not what it was; `undefined`: it runs. */
  readonly fate: () => string | undefined
}

/** @param log file descriptor for its output */
export type StartProxy = (command: readonly string[], env: Environment, log: number) => ProxyProcess

/** @param containers what each gets one from; `undefined`: it needs none */
export const proxyStarter = ({ proxyCommand }: Pinning, containers?: Cgroups): StartProxy => {
  const left = new Set<Cgroup>()
  process.on('exit', () => left.forEach((group) => group.remove()))
  return (command, env, log) => {
    const group = containers?.create()
    if (group !== undefined) left.add(group)
    const pinned = proxyCommand(command)
    const child = startSilent(group?.enter(pinned) ?? pinned, env, log)
    return {
      ...child,
      peak: () => peakMegabytes(child.pid),
      containerPeak: () => group?.peak(),
      fate: () => {
        return group?.wasKilled() === true ? `killed at ${containers?.memory}` : child.ending()
      },
      stop: async (wait) => {
        await child.stop(wait)
        group?.remove()
        if (group !== undefined) left.delete(group)
      },
    }
  }
}
