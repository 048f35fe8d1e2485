/**
 * Random hexadecimal digits by the thousand: a call into native code for each id costs more than all
 * else about it.
 */
import { randomBytes } from 'node:crypto'

const POOL_BYTES = 4_096

let pool = ''
let used = 0

/** @param digits at most 8,192. Never the same twice, and not to be guessed. */
export const randomHex = (digits: number): string => {
  if (used + digits > pool.length) {
    pool = randomBytes(POOL_BYTES).toString('hex')
    used = 0
  }
  used += digits
  return pool.slice(used - digits, used)
}
