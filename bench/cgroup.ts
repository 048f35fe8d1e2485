/**
 * Control groups that hold a process to some memory and CPU time, as a container does: version 2,
 * and version 1 with a hierarchy for each controller. Swap does not count as memory.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'

export interface Limit {
  readonly bytes: number
  /** CPU time per time; `undefined`: as much as there is. */
  readonly cpus: number | undefined
}

export interface Cgroup {
  /** Puts a command into the group; the pid stays. */
  readonly enter: (command: readonly string[]) => readonly string[]
  /** Most memory that was charged to it, in MB: with page cache and what the kernel holds for it. */
  readonly peak: () => number | undefined
  /** Whether something in it was killed for want of memory. */
  readonly wasKilled: () => boolean
  /** Ends what is still in it. */
  readonly remove: () => void
}

const UNITS: Readonly<Record<string, number>> = { k: 2 ** 10, m: 2 ** 20, g: 2 ** 30 }

/** @param text as Docker has it, with the number of CPUs after a comma: `256m`, `1g,0.5` */
export const limitOf = (text: string): Limit => {
  const [, number, unit = '', cpus] = /^(\d+)([kmg])(?:,(\d+(?:\.\d+)?))?$/.exec(text) ?? []
  if (number === undefined) throw new Error(`"${text}" is no limit like 256m or 256m,1`)
  return {
    bytes: Number(number) * (UNITS[unit] ?? 1),
    cpus: cpus === undefined ? undefined : Number(cpus),
  }
}

const memoryOf = ({ bytes }: Limit): string => `${bytes / 2 ** 20} MB`

/** For people. */
export const describeLimit = (limit: Limit): string =>
  limit.cpus === undefined ? memoryOf(limit) : `${memoryOf(limit)} and ${limit.cpus} CPU`

/** Groups of one limit. */
export interface Cgroups {
  readonly memory: string
  readonly create: () => Cgroup
}

/** @returns why there are none here, instead */
export const cgroupsOf = (limit: Limit): Cgroups | string => {
  let group: Cgroup | undefined
  try {
    group = create(limit)
    const [program = '', ...args] = group.enter(['true'])
    const { status, stderr } = spawnSync(program, args, { encoding: 'utf8' })
    if (status !== 0) return `a process cannot enter one: ${stderr.trim()}`
    return { memory: memoryOf(limit), create: () => create(limit) }
  } catch (error) {
    return (error as Error).message
  } finally {
    group?.remove()
  }
}

const ROOT = '/sys/fs/cgroup'
const PERIOD_US = 100_000

interface Setting {
  readonly file: string
  readonly value: number | string
  /** A kernel without swap accounting does not have it. */
  readonly optional?: boolean
}

/** One kind of groups. */
interface Version {
  /** Folder of the controllers → what is set there, in this order. */
  readonly settings: Readonly<Record<string, readonly Setting[]>>
  readonly memory: string
  readonly peak: string
  readonly events: string
}

const second = ({ bytes, cpus }: Limit): Version => ({
  settings: {
    [ROOT]: [
      { file: 'memory.max', value: bytes },
      { file: 'memory.swap.max', value: 0, optional: true },
      { file: 'cpu.max', value: `${cpus === undefined ? 'max' : cpus * PERIOD_US} ${PERIOD_US}` },
    ],
  },
  memory: ROOT,
  peak: 'memory.peak',
  events: 'memory.events',
})

const first = ({ bytes, cpus }: Limit): Version => ({
  settings: {
    [`${ROOT}/memory`]: [
      { file: 'memory.limit_in_bytes', value: bytes },
      { file: 'memory.swappiness', value: 0 },
      { file: 'memory.memsw.limit_in_bytes', value: bytes, optional: true },
    ],
    [`${ROOT}/cpu`]: [
      { file: 'cpu.cfs_period_us', value: PERIOD_US },
      { file: 'cpu.cfs_quota_us', value: cpus === undefined ? -1 : cpus * PERIOD_US },
    ],
  },
  memory: `${ROOT}/memory`,
  peak: 'memory.max_usage_in_bytes',
  events: 'memory.oom_control',
})

const versionOf = (limit: Limit): Version => {
  if (!existsSync(`${ROOT}/cgroup.controllers`)) return first(limit)
  // Its children have the controllers that are named here.
  writeFileSync(`${ROOT}/cgroup.subtree_control`, '+memory +cpu')
  return second(limit)
}

let count = 0

const create = (limit: Limit): Cgroup => {
  const { settings, memory, peak, events } = versionOf(limit)
  count += 1
  const name = `bench-${process.pid}-${count}`
  const folders = Object.keys(settings).map((parent) => `${parent}/${name}`)
  const remove = (): void => folders.forEach(removeFolder)
  try {
    for (const [parent, each] of Object.entries(settings)) makeFolder(`${parent}/${name}`, each)
  } catch (error) {
    remove()
    throw error
  }
  const own = `${memory}/${name}`
  const entering = folders.map((folder) => `echo $$ > ${folder}/cgroup.procs && `).join('')
  return {
    enter: (command) => ['/bin/sh', '-c', `${entering}exec "$@"`, 'sh', ...command],
    peak: () => {
      const bytes = Number(read(`${own}/${peak}`).trim() || undefined)
      return Number.isNaN(bytes) ? undefined : bytes / 1e6
    },
    wasKilled: () => Number(/^oom_kill (\d+)$/m.exec(read(`${own}/${events}`))?.[1] ?? 0) > 0,
    remove,
  }
}

const makeFolder = (folder: string, settings: readonly Setting[]): void => {
  mkdirSync(folder)
  for (const { file, value, optional } of settings) {
    const path = `${folder}/${file}`
    if (optional !== true || existsSync(path)) writeFileSync(path, String(value))
  }
}

/** A group that is gone has no figures. */
const read = (file: string): string => {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}

const REMOVAL_TRIES = 100
const REMOVAL_PAUSE_MS = 10

/** The kernel takes a moment to let go of a process that was killed; nothing else can be done then. */
const removeFolder = (folder: string): void => {
  const pause = new Int32Array(new SharedArrayBuffer(4))
  for (let tries = 0; tries < REMOVAL_TRIES && existsSync(folder); tries += 1) {
    try {
      rmdirSync(folder)
    } catch {
      for (const pid of read(`${folder}/cgroup.procs`).split('\n').filter(Boolean)) kill(pid)
      Atomics.wait(pause, 0, 0, REMOVAL_PAUSE_MS)
    }
  }
}

const kill = (pid: string): void => {
  try {
    process.kill(Number(pid), 'SIGKILL')
  } catch {
    // It has ended in between.
  }
}
