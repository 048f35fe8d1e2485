/** What the kernel has counted for a process and its children (proc(5)); nothing without /proc. */
import { readFileSync, readdirSync } from 'node:fs'

/** USER_HZ: 100 on every Linux that Node supports. */
const MICROSECONDS_PER_TICK = 1e6 / 100

const isLinux = process.platform === 'linux'

/** A process may end between two looks. */
const read = (pid: number, file: string): string => {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8')
  } catch {
    return ''
  }
}

/** From the third field of /proc/PID/stat on: the name in brackets before it may hold spaces. */
const statOf = (pid: number): string[] =>
  read(pid, 'stat')
    .replace(/^.*\) /s, '')
    .split(' ')

const parentOf = (pid: number): number => Number(statOf(pid)[1])

const treeOf = (root: number): number[] => {
  const all = readdirSync('/proc').map(Number).filter(Number.isInteger)
  const parents = all.map((pid) => [pid, parentOf(pid)] as const)
  const tree = [root]
  for (const pid of tree) {
    tree.push(...parents.filter(([, parent]) => parent === pid).map(([child]) => child))
  }
  return tree
}

const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0)

/** User and system time of the process tree, in µs, children that have ended included. */
export const cpuMicroseconds = (pid: number): number | undefined => {
  if (!isLinux) return undefined
  // utime, stime, cutime and cstime are the 12th to 15th field from there.
  const ticks = treeOf(pid).map((each) => sum(statOf(each).slice(11, 15).map(Number)))
  return sum(ticks) * MICROSECONDS_PER_TICK
}

const megabytes = (pid: number, field: string): number | undefined => {
  if (!isLinux) return undefined
  const pattern = new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm')
  const kibibytes = treeOf(pid).map((each) => Number(pattern.exec(read(each, 'status'))?.[1] ?? 0))
  return (sum(kibibytes) * 1024) / 1e6
}

/** Most memory that was ever resident, in MB. */
export const peakMegabytes = (pid: number): number | undefined => megabytes(pid, 'VmHWM')

/** Memory resident now, in MB. */
export const residentMegabytes = (pid: number): number | undefined => megabytes(pid, 'VmRSS')
