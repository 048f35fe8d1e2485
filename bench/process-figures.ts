/** What the kernel has counted for a process (proc(5)); `undefined` where there is no /proc. */
import { readFileSync } from 'node:fs'

/** USER_HZ: 100 on every Linux that Node supports. */
const MICROSECONDS_PER_TICK = 1e6 / 100

const read = (pid: number, file: string): string | undefined =>
  process.platform === 'linux' ? readFileSync(`/proc/${pid}/${file}`, 'utf8') : undefined

/** User and system time of all threads, in µs. */
export const cpuMicroseconds = (pid: number): number | undefined => {
  // The name in brackets may hold spaces; after it, utime and stime are the 12th and 13th field.
  const fields = read(pid, 'stat')
    ?.replace(/^.*\) /s, '')
    .split(' ')
  return fields && (Number(fields[11]) + Number(fields[12])) * MICROSECONDS_PER_TICK
}

/** Most memory that was ever resident, in MB. */
export const peakMegabytes = (pid: number): number | undefined => {
  const kibibytes = read(pid, 'status')?.match(/^VmHWM:\s+(\d+) kB$/m)?.[1]
  return kibibytes === undefined ? undefined : (Number(kibibytes) * 1024) / 1e6
}
