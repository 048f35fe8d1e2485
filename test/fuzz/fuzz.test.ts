/** The fuzz run itself: a short one finds nothing, and each planted fault is found. */
import t, { type Test } from 'tap'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import net from 'node:net'
import { fileURLToPath } from 'node:url'
import { MAX_STOP_MS, StopWatch } from '../fixtures/stop-watch.ts'
import { readRequests } from './http-reader.ts'
import { answerFaults, answersIn, BASE_PATH, expectedTarget } from './judge.ts'
import { verdict } from './run.ts'
import { idOf, Session } from './session.ts'
import { startApi } from './world.ts'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))

const run = async (t: Test, ...args: string[]) => {
  const child = spawn(process.execPath, ['--import', 'tsx', 'test/fuzz/main.ts', ...args], {
    cwd: ROOT,
    env: { PATH: process.env['PATH'], _TAPJS_PROCESSINFO_COVERAGE_: '0' },
  })
  t.teardown(() => child.kill('SIGTERM'))
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (output += chunk))
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (output += chunk))
  const code = await new Promise((resolve) => child.once('close', resolve))
  return { code, output }
}

t.test('a short run finds nothing', async (t) => {
  const { code, output } = await run(t, '--seconds', '2', '--seed', '1')
  t.equal(code, 0, output)
  t.match(output, /^seed 1, Node v[^]*\nverdict: nothing found in \d{2,} sessions\n/)
})

t.test('a number that is none is refused', async (t) => {
  t.equal((await run(t, '--seconds', 'ten')).code, 2)
})

const AUTHORIZATION = 'Bearer x'
const PROPER = `host: api\r\nauthorization: ${AUTHORIZATION}\r\n`
const SENT =
  'POST /Vendor HTTP/1.1\r\nhost: x\r\ncontent-length: 40\r\n\r\n' +
  'GET /smuggled HTTP/1.1\r\nhost: x\r\nx-a:1\r\n\r\n' +
  'GET /P(%2Fa) HTTP/1.1\r\nhost: x\r\n\r\n'

/** What an API that is handed these bytes has to say about them. */
const found = async (t: Test, bytes: string): Promise<string[]> => {
  const session = new Session({ id: '', bytes: SENT, cuts: [], ending: 'wait' })
  const faults: string[] = []
  const { port } = await startApi(t, {
    authorization: () => AUTHORIZATION,
    random: () => 0.5,
    hostility: 0,
    sessionOf: (request) => (request.target.includes('stranger') ? undefined : session),
    onFault: (what) => faults.push(what),
  })
  const socket = net.connect(port, '127.0.0.1')
  socket.end(bytes, 'latin1')
  socket.resume()
  await once(socket, 'close')
  return [...session.faults, ...faults]
}

const PLANTED: Readonly<Record<string, readonly [bytes: string, fault: RegExp]>> = {
  'a smuggled request': [
    `GET ${BASE_PATH}/smuggled HTTP/1.1\r\n${PROPER}\r\n`,
    /did not send GET .*\/smuggled/,
  ],
  'a request of nobody': [`GET ${BASE_PATH}/stranger HTTP/1.1\r\n${PROPER}\r\n`, /nobody sent/],
  'another body': [
    `POST ${BASE_PATH}/Vendor HTTP/1.1\r\n${PROPER}content-length: 2\r\n\r\nab`,
    /did not send POST .* with 2 bytes/,
  ],
  'another spelling of a target': [
    `GET ${BASE_PATH}/P(/a) HTTP/1.1\r\n${PROPER}\r\n`,
    /did not send/,
  ],
  'a target outside the base path': [`GET /P(%2Fa) HTTP/1.1\r\n${PROPER}\r\n`, /outside the base/],
  'a target that climbs': [
    `GET ${BASE_PATH}/%252e%252e/x HTTP/1.1\r\n${PROPER}\r\n`,
    /outside the base/,
  ],
  'no token': [`GET ${BASE_PATH}/P(%2Fa) HTTP/1.1\r\nhost: api\r\n\r\n`, /not authorized once/],
  'the token twice': [
    `GET ${BASE_PATH}/P(%2Fa) HTTP/1.1\r\n${PROPER}authorization: ${AUTHORIZATION}\r\n\r\n`,
    /not authorized once/,
  ],
  'a length and a coding': [
    `POST ${BASE_PATH}/Vendor HTTP/1.1\r\n${PROPER}content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n`,
    /framed more than once/,
  ],
  'a bare line feed': [
    `GET ${BASE_PATH}/P(%2Fa) HTTP/1.1\r\n${PROPER}x-a: b\n c: d\r\n\r\n`,
    /control/,
  ],
  'a chunk extension': [
    `POST ${BASE_PATH}/Vendor HTTP/1.1\r\n${PROPER}transfer-encoding: chunked\r\n\r\n0;a\r\n\r\n`,
    /did not send POST/,
  ],
  'a field that is never passed on': [
    `GET ${BASE_PATH}/P(%2Fa) HTTP/1.1\r\n${PROPER}X_Forwarded_For: x\r\n\r\n`,
    /the field X_Forwarded_For/,
  ],
  'an alias of a framing field': [
    `GET ${BASE_PATH}/P(%2Fa) HTTP/1.1\r\n${PROPER}Content_Length: 5\r\n\r\n`,
    /the field Content_Length/,
  ],
  'two requests at once': [
    `GET ${BASE_PATH}/P(%2Fa) HTTP/1.1\r\n${PROPER}\r\n`.repeat(2),
    /a second request/,
  ],
}

t.test('what must not reach the API is found: ', async (t) => {
  for (const [what, [bytes, fault]] of Object.entries(PLANTED)) {
    t.match((await found(t, bytes)).join('\n'), fault, what)
  }
  t.same(await found(t, `GET ${BASE_PATH}/P(%2Fa) HTTP/1.1\r\n${PROPER}\r\n`), [], 'and no more')
})

const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n'
const ECHO = `x-echo: ${expectedTarget('/Vendor')}\r\n`

const ANSWERED: Readonly<Record<string, readonly [bytes: string, fault: RegExp]>> = {
  'a bare 500': ['HTTP/1.1 500 Oops\r\ncontent-length: 0\r\n\r\n', /a bare 500/],
  'a defect': ['HTTP/1.1 502 X\r\nx-error-code: internal\r\ncontent-length: 0\r\n\r\n', /internal/],
  'the answer to another request': [`${OK}x-echo: poison\r\n\r\nok`, /the answer to poison/],
  'bytes that are no answer': ['SSH-2.0\r\n\r\n', /an answer that is none/],
  'too many answers': [`${OK}\r\nok`.repeat(4), /more answers than requests/],
  'a part of an answer': [`${OK}${ECHO}\r\no`, /without a whole answer/],
  'no answer': ['', /without a whole answer/],
}

t.test('what must not reach the caller is found', async (t) => {
  for (const [what, [bytes, fault]] of Object.entries(ANSWERED)) {
    const session = new Session({ id: '', bytes: SENT, cuts: [], ending: 'wait' })
    session.received = bytes
    t.match(session.judge(false).join('\n'), fault, what)
  }
  const reading = readRequests(SENT)
  const fine = answersIn(`HTTP/1.1 100 Continue\r\n\r\n${OK}${ECHO}\r\nok`, ['POST'])
  t.same(answerFaults(fine, reading, [expectedTarget('/Vendor')]), [], 'and no more')
})

t.test(
  "a reset is nobody else's fault than that of who sends on behind the last request",
  async (t) => {
    const last = 'GET / HTTP/1.0\r\nhost: x\r\n\r\n'
    for (const [bytes, faults] of [
      [`${last}more`, 0],
      [last, 1],
    ] as const) {
      const session = new Session({ id: '', bytes, cuts: [], ending: 'wait' })
      t.equal(session.judge(true).length, faults)
      t.equal(session.judge(false).length, 1)
    }
  },
)

t.test('a finding is told with the bytes that cause it', async (t) => {
  const plan = { id: '', bytes: 'G\0', cuts: [1], ending: 'wait' } as const
  const findings = [{ what: 'a bare 500', plan, received: '' }]
  const text = verdict({ tally: new Map([['500', 1]]), findings, faults: ['the proxy died'] })
  t.match(text, /fault: the proxy died\nfinding: a bare 500\n[^]*"G\\u0000"[^]*hex: 4700\n/)
  t.match(text, /verdict: 2 found in 1 sessions\n/)
})

t.test('a mutated digit in the id of a session is no other id', async (t) => {
  const ids = new Set(Array.from({ length: 2_000 }, (_, index) => idOf(index)))
  for (const id of ids) {
    for (let at = 1; at <= 7; at += 1) {
      for (let digit = 0; digit <= 9; digit += 1) {
        const mutated = id.slice(0, at) + String(digit) + id.slice(at + 1)
        if (mutated !== id && ids.has(mutated)) t.fail(`${id} and ${mutated}`)
      }
    }
  }
  t.equal(ids.size, 2_000)
})

/** Spends 200 ms of processor time on every request for `/busy`. */
const STOPPED_PROGRAM = `
const spent = () => process.cpuUsage().user / 1000
const server = require('node:http').createServer((request, response) => {
  const start = spent()
  while (request.url === '/busy' && spent() < start + 200);
  response.end()
})
server.listen(0, '127.0.0.1', () => console.log(server.address().port))
`

t.test(
  'a stop of the event loop is seen from outside',
  { skip: process.platform !== 'linux' },
  async (t) => {
    const child = spawn(process.execPath, ['-e', STOPPED_PROGRAM])
    t.teardown(() => child.kill())
    const [port] = (await once(child.stdout, 'data')) as [Buffer]
    const watch = new StopWatch(Number(port), Number(child.pid))
    t.teardown(() => watch.close())
    const longest = await watch.during(fetch(`http://127.0.0.1:${Number(port)}/busy`))
    t.ok(longest > MAX_STOP_MS, `${longest} ms`)
  },
)
