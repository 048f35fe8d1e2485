import { execFileSync } from 'node:child_process'
import { constants, PerformanceObserver, type PerformanceEntry } from 'node:perf_hooks'
import t from 'tap'
import { collectSeldom, streamed } from '../../src/proxy/streamed-memory.ts'

const MB = 1024 * 1024

t.test('what is young is collected after every 16 MB', async (t) => {
  const { gc } = globalThis
  t.teardown(() => Object.assign(globalThis, { gc }))
  const collected: unknown[] = []
  Object.assign(globalThis, { gc: (options: unknown) => collected.push(options) })
  for (let mb = 1; mb <= 40; mb++) streamed(MB)
  t.same(collected, [{ type: 'minor' }, { type: 'minor' }])
})

interface Collection extends PerformanceEntry {
  readonly detail: { readonly kind: number; readonly flags: number }
}

/** Resolves with the kinds of the collections that were asked for, once there are so many. */
const forced = (count: number): Promise<number[]> =>
  new Promise((resolve) => {
    const kinds: number[] = []
    // An observer alone keeps no process alive.
    const untilSeen = setInterval(() => {}, 1_000)
    const observer = new PerformanceObserver((list) => {
      for (const { detail } of list.getEntries() as Collection[]) {
        if (detail.flags & constants.NODE_PERFORMANCE_GC_FLAGS_FORCED) kinds.push(detail.kind)
      }
      if (kinds.length < count) return
      observer.disconnect()
      clearInterval(untilSeen)
      resolve(kinds)
    })
    observer.observe({ entryTypes: ['gc'] })
  })

t.test('also where Node was started without --expose-gc, and nothing but that', async (t) => {
  const { gc } = globalThis
  t.teardown(() => Object.assign(globalThis, { gc }))
  Object.assign(globalThis, { gc: undefined })
  const collections = forced(2)
  streamed(16 * MB)
  streamed(16 * MB)
  const { NODE_PERFORMANCE_GC_MINOR: minor } = constants
  t.same(await collections, [minor, minor])
  t.equal(globalThis.gc, undefined, 'which nobody else gets')
})

t.test('the heap may triple by a flag that this V8 knows, and none is needed', async (t) => {
  const known = execFileSync(process.execPath, ['--v8-options'], { env: {} }).toString()
  t.match(known, /--heap-growing-percent /)
  t.doesNotThrow(collectSeldom)
})
