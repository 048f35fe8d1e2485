/**
 * Random hexadecimal digits by the thousand: a call into native code for each id costs more than all
 * else about it.
 */
import { randomFillSync } from 'node:crypto'

const POOL_BYTES = 16_384

const pool = Buffer.allocUnsafeSlow(POOL_BYTES)
let used = POOL_BYTES

/** @param bytes two digits each; at most 16,384. Never the same twice, and not to be guessed. */
export const randomHex = (bytes: number): string => {
  if (used + bytes > POOL_BYTES) {
    randomFillSync(pool)
    used = 0
  }
  used += bytes
  return pool.toString('hex', used - bytes, used)
}
