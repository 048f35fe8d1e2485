import t from 'tap'
import { execFileSync } from 'node:child_process'
import { streamed } from '../../src/proxy/streamed-garbage.ts'

t.test('what is young is collected after every 16 MB, if Node lets it', async (t) => {
  const { gc } = globalThis
  t.teardown(() => Object.assign(globalThis, { gc }))
  const collected: unknown[] = []
  Object.assign(globalThis, { gc: (options: unknown) => collected.push(options) })
  for (let mb = 1; mb <= 40; mb++) streamed(1024 * 1024)
  t.same(collected, [{ type: 'minor' }, { type: 'minor' }])
  Object.assign(globalThis, { gc: undefined })
  t.doesNotThrow(() => streamed(16 * 1024 * 1024))
  t.equal(collected.length, 2)
})

t.test('what Node collects then is only what is young', async (t) => {
  const program = `
    const { constants, PerformanceObserver } = require('node:perf_hooks')
    const isForced = ({ detail }) => detail.flags & constants.NODE_PERFORMANCE_GC_FLAGS_FORCED
    const isMinor = ({ detail }) => detail.kind === constants.NODE_PERFORMANCE_GC_MINOR
    const untilSeen = setInterval(() => {}, 1_000)
    new PerformanceObserver((list) => {
      const forced = list.getEntries().filter(isForced)
      if (forced.length === 0) return
      process.stdout.write(forced.map(isMinor).join())
      clearInterval(untilSeen)
    }).observe({ entryTypes: ['gc'] })
    gc({ type: 'minor' })`
  const output = execFileSync(process.execPath, ['--expose-gc', '-e', program], { env: {} })
  t.equal(output.toString(), 'true')
})
