/** SKP_MIN_RATE: who is too slow is cut off, and nobody else, however long it takes. */
import t, { type Test } from 'tap'
import { once } from 'node:events'
import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import net from 'node:net'
import { CallerPace } from '../../src/proxy/caller-pace.ts'
import type { Call } from '../../src/proxy/request-context.ts'
import { ManualClock } from '../fixtures/manual-clock.ts'
import { startProxy } from '../fixtures/proxy.ts'
import { startStreamingServer } from '../fixtures/recording-server.ts'

const RATE = 1_000
const MB = 1024 * 1024

/** A call as far as its pace is looked at. */
const createCall = () => ({
  request: {
    complete: false,
    readableEnded: false,
    paused: false,
    isPaused(): boolean {
      return this.paused
    },
    socket: { bytesRead: 500 },
  },
  response: {
    socket: { writableCorked: 0 } as { writableCorked: number } | null,
    writableLength: 0,
  },
  context: { responseBytes: 0 },
})

type FakeCall = ReturnType<typeof createCall>

/** @returns after how many seconds the caller was cut off, if it was within two hours */
const watch = async (
  t: Test,
  everySecond: (call: FakeCall, second: number) => void,
  minRate = RATE,
): Promise<number | undefined> => {
  const clock = new ManualClock()
  const call = createCall()
  let cutOff: number | undefined
  const pace = new CallerPace({ clock, minRate, onSlow() {} })
  const end = pace.watch(call as unknown as Call, ({ code, detail }) => {
    t.strictSame({ code, detail }, { code: 'caller_timeout', detail: `SKP_MIN_RATE=${minRate}B.` })
    cutOff = clock.monotonic() / 1000
  })
  for (let second = 1; second <= 7_200 && cutOff === undefined; second += 1) {
    everySecond(call, second)
    await clock.advance(1_000)
  }
  end()
  await clock.advance(1_000)
  t.equal(clock.pending, 0, 'without callers there is no tick')
  return cutOff
}

const answering = (call: FakeCall, { given = 0, left = 0 }): void => {
  call.request.complete = true
  call.context.responseBytes = given
  call.response.writableLength = left
}

const CUT_OFF: Record<string, [everySecond: (call: FakeCall, second: number) => void, at: number]> =
  {
    'sends nothing': [() => {}, 32],
    'sends a byte a second': [({ request }) => (request.socket.bytesRead += 1), 32],
    'sends half of the rate': [({ request }) => (request.socket.bytesRead += RATE / 2), 62],
    'has sent fast, and stops': [
      ({ request }, second) => (request.socket.bytesRead += second < 100 ? 10 * RATE : 0),
      130,
    ],
    'takes nothing': [(call) => answering(call, { given: 10_000, left: 10_000 }), 42],
    'takes half of the rate': [
      (call, s) => answering(call, { given: 10_000 + (s * RATE) / 2, left: 10_000 }),
      83,
    ],
    'has taken much, and stops': [(call) => answering(call, { given: 99 * MB, left: 10 }), 4_226],
  }

for (const [title, [everySecond, at]] of Object.entries(CUT_OFF)) {
  t.test(`whoever ${title} is cut off`, async (t) => {
    t.equal(await watch(t, everySecond), at)
  })
}

const LEFT_ALONE: Record<string, (call: FakeCall, second: number) => void> = {
  'sends at the rate': ({ request }) => (request.socket.bytesRead += RATE),
  'sends 25 times the rate every 25 s': ({ request }, second) =>
    (request.socket.bytesRead += second % 25 === 0 ? 25 * RATE : 0),
  'sends a body that the API does not take': ({ request }) => (request.paused = true),
  'has sent its request, and waits': ({ request }) => (request.complete = true),
  'has sent a request without a body, which Node spares the stream of': ({ request }) =>
    (request.readableEnded = true),
  'takes each of the few bytes that the API sends': (call, second) =>
    answering(call, { given: second, left: 0 }),
  'waits behind the answer to another request': (call) => {
    answering(call, { given: 10, left: 10 })
    call.response.socket = null
  },
  'has an answer that is held back to the end of the turn': (call) => {
    answering(call, { given: 10, left: 10 })
    call.response.socket = { writableCorked: 1 }
  },
  'takes at the rate, as far as buffers of the system show': (call, second) => {
    const steps = Math.floor(second / 1_000)
    answering(call, { given: 4 * MB + steps * 1_000 * RATE, left: 65_536 })
  },
}

for (const [title, everySecond] of Object.entries(LEFT_ALONE)) {
  t.test(`whoever ${title} is left alone for hours`, async (t) => {
    t.equal(await watch(t, everySecond), undefined, title)
  })
}

t.test('with SKP_MIN_RATE=0 any pace will do', async (t) => {
  t.equal(await watch(t, () => {}, 0), undefined)
})

/* Over sockets, through the proxy. */

const start = async (
  t: Test,
  serve: (request: IncomingMessage, response: ServerResponse) => void,
  settings: Readonly<Record<string, string>> = {},
) => {
  const clock = new ManualClock()
  const api = await startStreamingServer(t, serve)
  const proxy = await startProxy(t, { api: api.url, clock, settings })
  t.teardown(() => clock.release())
  return { ...proxy, clock }
}

const cutOffs = (log: readonly Readonly<Record<string, unknown>>[]) =>
  log.filter(({ msg }) => String(msg).includes('SKP_MIN_RATE'))

for (const [kind, head] of Object.entries({
  held: 'content-length: 100',
  streamed: 'content-length: 100000',
  chunked: 'transfer-encoding: chunked',
})) {
  t.test(`a caller that sends a byte now and then is told so: ${kind}`, async (t) => {
    const { port, clock, log } = await start(t, (request) => request.resume().on('error', () => {}))
    const caller = net.connect(port, '127.0.0.1')
    t.teardown(() => caller.destroy())
    const byte = kind === 'chunked' ? '1\r\nx\r\n' : 'x'
    caller.write(`POST / HTTP/1.1\r\nhost: x\r\n${head}\r\n\r\n${byte}`)
    let received = ''
    caller.setEncoding('latin1').on('data', (chunk: string) => (received += chunk))
    for (let second = 0; second < 100 && received === ''; second += 1) {
      caller.write(byte)
      await clock.advance(1_000)
    }
    t.match(received, /^HTTP\/1\.1 408 [^]*x-error-code: caller_timeout\r\n[^]*SKP_MIN_RATE=1024B/)
    t.match(cutOffs(log), [{ level: 'warn', caller_has_to: 'send' }])
  })
}

t.test('a caller that does not take its response is cut off', async (t) => {
  const { port, clock, log } = await start(
    t,
    (_request, response) => {
      const write = (): void => {
        while (response.write(Buffer.alloc(MB)));
        response.once('drain', write)
      }
      response.on('error', () => {})
      write()
    },
    { SKP_MIN_RATE: '1MB' },
  )
  const request = http.get({ port, host: '127.0.0.1', agent: false }).on('error', () => {})
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  const failed = once(response, 'error')
  while (cutOffs(log).length === 0) await clock.advance(1_000)
  response.resume()
  t.match(await failed, [{ code: 'ECONNRESET' }])
  t.match(cutOffs(log), [{ level: 'warn', caller_has_to: 'take' }])
})

t.test('a response that the API sends slowly goes on for hours', async (t) => {
  let send: ((event: string) => void) | undefined
  const { port, clock, log } = await start(t, (_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    send = (event) => void response.write(event)
    send('start')
  })
  const upload = { method: 'POST', headers: { 'transfer-encoding': 'chunked' } }
  const request = http.request({ port, host: '127.0.0.1', agent: false, ...upload })
  request.on('error', () => {}).end('x')
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  response.setEncoding('utf8').on('error', () => {})
  t.match(await once(response, 'data'), ['start'])
  for (const event of ['one', 'two', 'three']) {
    await clock.advance(600_000)
    const received = once(response, 'data')
    send?.(event)
    t.match(await received, [event])
  }
  t.same(cutOffs(log), [])
  request.destroy()
})
