/** What the kernel knows of a process (proc(5)); nothing without /proc. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

export interface ProcessSample {
  /** Memory that is resident, in MB. */
  readonly resident: number
  readonly descriptors: number
  /** Of those. */
  readonly sockets: number
}

/** USER_HZ: 100 on every Linux that Node supports. */
const MS_PER_TICK = 10
const KILOBYTES = /^VmRSS:\s+(\d+) kB$/m

const isSocket = (path: string): boolean => {
  try {
    return readlinkSync(path).startsWith('socket:')
  } catch {
    // Closed between the two looks.
    return false
  }
}

/** @returns `undefined` where there is no such process, or no /proc */
export const sampleProcess = (pid: number): ProcessSample | undefined => {
  try {
    const folder = `/proc/${pid}/fd`
    const names = readdirSync(folder)
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    return {
      resident: (Number(KILOBYTES.exec(status)?.[1]) * 1024) / 1e6,
      descriptors: names.length,
      sockets: names.filter((name) => isSocket(`${folder}/${name}`)).length,
    }
  } catch {
    return undefined
  }
}

/** User and system time so far, in ms. */
export const processorTime = (pid: number): number | undefined => {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The name in brackets may hold spaces; utime and stime are the 12th and 13th field after it.
    const fields = stat.replace(/^.*\) /s, '').split(' ')
    return (Number(fields[11]) + Number(fields[12])) * MS_PER_TICK
  } catch {
    return undefined
  }
}
