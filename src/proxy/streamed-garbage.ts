/**
 * Each chunk of a streamed body is garbage a moment later, and most of it lies outside of the heap by
 * whose size V8 decides when to collect: tens of megabytes would pile up (decision 0007).
 */

/** So much may pile up, of all bodies together. */
const BYTES_BETWEEN = 16 * 1024 * 1024

let passed = 0

/**
 * A chunk has passed. From time to time what is young is collected, which takes a millisecond; where
 * Node was started without `--expose-gc`, V8 does so when it sees fit.
 */
export const streamed = (bytes: number): void => {
  passed += bytes
  if (passed < BYTES_BETWEEN) return
  passed = 0
  globalThis.gc?.({ type: 'minor' })
}
