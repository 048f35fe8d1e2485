import t from 'tap'
import { Lifecycle, type Stoppable } from '../src/lifecycle.ts'
import { ManualClock } from './fixtures/manual-clock.ts'

/** A server with requests in flight until `finish` is called, or its connections are closed. */
class Server implements Stoppable {
  readonly calls: string[] = []
  sweeps = 0
  finish = (): void => {}
  readonly #closed = new Promise<void>((resolve) => {
    this.finish = resolve
  })

  close(): Promise<void> {
    this.calls.push('close')
    return this.#closed
  }

  readonly server = {
    closeIdleConnections: (): void => {
      this.sweeps += 1
    },
    closeAllConnections: (): void => {
      this.calls.push('closeAllConnections')
      this.finish()
    },
  }
}

const start = (drainDelay = 2_000, drainTimeout = 25_000) => {
  const clock = new ManualClock()
  const server = new Server()
  const lifecycle = new Lifecycle({ clock, drainDelay, drainTimeout })
  const state: { inTime?: boolean; unused?: number } = {}
  const stop = async () => {
    state.inTime = await lifecycle.stop(server, {
      closeUnused: () => {
        state.unused = (state.unused ?? 0) + 1
      },
    })
  }
  return { clock, server, lifecycle, state, stop }
}

t.test('runs until it is told to stop', async (t) => {
  t.equal(start().lifecycle.phase, 'running')
})

t.test('goes on accepting for the drain delay, then refuses and closes', async (t) => {
  const { clock, server, lifecycle, stop } = start()
  void stop()
  await clock.advance(1_999)
  t.equal(lifecycle.phase, 'draining')
  t.strictSame(server.calls, [])
  await clock.advance(1)
  t.equal(lifecycle.phase, 'closing')
  t.strictSame(server.calls, ['close'])
})

t.test('connections without a request get a second of grace, not the whole timeout', async (t) => {
  const { clock, state, stop } = start()
  void stop()
  await clock.advance(2_900)
  t.equal(state.unused, undefined)
  await clock.advance(150)
  t.ok(Number(state.unused) > 0)
})

t.test('ends as soon as the last request is finished, and cuts nothing off', async (t) => {
  const { clock, server, state, stop } = start()
  void stop()
  await clock.advance(10_000)
  t.equal(state.inTime, undefined)
  server.finish()
  await clock.advance(0)
  t.equal(state.inTime, true)
  t.strictSame(server.calls, ['close'])
  t.equal(clock.pending, 0)
})

t.test('closes connections that fall idle meanwhile', async (t) => {
  const { clock, server, stop } = start()
  void stop()
  await clock.advance(2_000)
  t.equal(server.sweeps, 1)
  await clock.advance(100)
  t.equal(server.sweeps, 3)
})

t.test('cuts off what is unfinished at the drain timeout, the delay included', async (t) => {
  const { clock, server, state, stop } = start()
  void stop()
  await clock.advance(24_999)
  t.strictSame(server.calls, ['close'])
  await clock.advance(1)
  t.strictSame(server.calls, ['close', 'closeAllConnections'])
  t.equal(state.inTime, false)
})

t.test('without a delay it refuses at once', async (t) => {
  const { clock, lifecycle, server, state, stop } = start(0)
  void stop()
  await clock.advance(0)
  t.equal(lifecycle.phase, 'closing')
  server.finish()
  await clock.advance(0)
  t.equal(state.inTime, true)
})
