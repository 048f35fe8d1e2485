import t from 'tap'
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
