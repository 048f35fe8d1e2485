/**
 * The memory that streamed bodies leave behind. Each chunk is garbage a moment later, and most of it lies
 * outside of the heap by whose size V8 decides when to collect: tens of megabytes would pile up, and in
 * a small container the process would be killed (decision 0007). What V8 does about it by itself is to
 * collect the whole heap again and again, which costs more than the streaming (decision 0027).
 */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/**
 * Lets the heap triple before all of it is collected. Not by a flag of the command line, because it is
 * V8's alone, and one that a Node does not know would keep it from starting; here it would say so and go on.
 */
export const collectSeldom = (): void => setFlagsFromString('--heap-growing-percent=200')

/** A chunk has passed. From time to time what is young is collected, which takes a millisecond. */
export const streamed = (bytes: number): void => {
  passed += bytes
  if (passed < BYTES_BETWEEN) return
  passed = 0
  collector()({ type: 'minor' })
}

/** Of all bodies together, since the last collection. */
let passed = 0

/** So much may pile up. */
const BYTES_BETWEEN = 16 * 1024 * 1024

type Collect = NonNullable<typeof globalThis.gc>

/** There at once where Node was started with `--expose-gc`; else the engine gives it to new contexts only. */
const collector = (): Collect => {
  if (globalThis.gc !== undefined) return globalThis.gc
  if (asked === undefined) {
    setFlagsFromString('--expose-gc')
    asked = runInNewContext('gc') as Collect
  }
  return asked
}

let asked: Collect | undefined
