/** `exec` in this process, with real commands; only what they write is caught. */
import t, { type Test } from 'tap'
import { ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { systemClock, type Clock } from '../../src/clock.ts'
import { exec, type Spawn } from '../../src/commands/exec.ts'
import { createProcess } from '../fixtures/process.ts'
import { ManualClock } from '../fixtures/manual-clock.ts'
import { startTokenServer } from '../fixtures/proxy.ts'
import { startServer } from '../fixtures/recording-server.ts'

interface Scene {
  readonly settings?: Readonly<Record<string, string>>
  readonly tokenUrl?: string
  readonly spawn?: Spawn
  readonly clock?: Clock
  readonly terminal?: boolean
}

const run = async (t: Test, command: readonly [string, ...string[]], scene: Scene = {}) => {
  const api = await startServer(t, (_request, response) => response.end('{"d":{}}'))
  const url = scene.tokenUrl ?? (await startTokenServer(t)).url
  const key = { entities: api.url, url, clientid: 'sb-client!b1', clientsecret: 'canary-secret' }
  const { process, stdout, stderr } = createProcess(
    { SKP_KEY_FILE: 'key.json', ...scene.settings },
    { 'key.json': JSON.stringify(key) },
  )
  const children: ChildProcess[] = []
  let output = ''
  const caught: Spawn = (file, args, options) => {
    t.equal(options.stdio, 'inherit')
    const child = spawn(file, args, { ...options, stdio: ['ignore', 'pipe', 'inherit'] })
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
    t.teardown(() => child.kill('SIGKILL'))
    children.push(child)
    return child
  }
  const outcome = exec(process, {}, command, {
    spawn: scene.spawn ?? caught,
    clock: scene.clock ?? systemClock,
    terminal: scene.terminal ?? false,
  })
  return { outcome, api, children, output: () => output, stdout, stderr }
}

const started = async (running: Awaited<ReturnType<typeof run>>) => {
  const outcome = await running.outcome
  if (typeof outcome === 'number') throw new Error(running.stderr())
  return { ...running, ...outcome }
}

const node = (code: string): readonly [string, ...string[]] => [process.execPath, '-e', code]

const TALK = `fetch(process.env.ENTITIES_URL + '/Vendor').then(async (response) => {
  console.log(JSON.stringify([response.status, await response.text(), process.env]))
  process.exitCode = 7
})`

t.test('the command finds a ready proxy, an own port, and its environment', async (t) => {
  const settings = {
    PORT: '4711',
    SKP_CALLER_TOKEN: '',
    SKP_DRAIN_DELAY: '',
    VCAP_APPLICATION: '{}',
  }
  const { ended, api, output, stdout, stderr } = await started(
    await run(t, node(TALK), { settings }),
  )
  t.equal(await ended, 7)
  const [status, body, environment] = JSON.parse(output()) as [number, string, object]
  t.match({ status, body }, { status: 200, body: '{"d":{}}' })
  t.match(environment, { ...settings, ENTITIES_URL: /^http:\/\/127\.0\.0\.1:\d+$/ })
  t.equal(api.requests.length, 1)
  t.equal(stdout(), '', 'it is the command’s')
  t.match(stderr(), /"msg":"listening on[^]*"msg":"GET \/Vendor 200"[^]*"msg":"stopped"/)
  t.notMatch(stderr(), /not ready|canary|:9090|:4711/)
})

t.test('settings win over what exec has for itself', async (t) => {
  const settings = { SKP_HOST: '::1', SKP_LOG_LEVEL: 'silent' }
  const show = node('console.log(process.env.ENTITIES_URL)')
  const { ended, output, stderr } = await started(await run(t, show, { settings }))
  t.equal(await ended, 0)
  t.match(output(), /^http:\/\/\[::1\]:\d+\n$/)
  t.equal(stderr(), '')
})

t.test('arguments reach the command as they are', async (t) => {
  const args = ['$HOME', '`id`', '; exit 3', '', '--help', '*']
  const show = [...node('console.log(JSON.stringify(process.argv.slice(1)))'), '--', ...args]
  const { ended, output } = await started(await run(t, show as [string, ...string[]]))
  t.equal(await ended, 0)
  t.same(JSON.parse(output()), args)
})

t.test('without a token the command starts all the same, and is told why', async (t) => {
  const tokens = await startServer(t, (_request, response) => {
    response.writeHead(401).end('{"error":"invalid_client"}')
  })
  const { ended, stderr } = await started(await run(t, node(''), { tokenUrl: tokens.url }))
  t.equal(await ended, 0)
  t.match(stderr(), /^service-key-proxy: not ready, but the command starts all the same:$/m)
  t.match(stderr(), /^ {2}- no usable token: the token server answered 401 invalid_client$/m)
})

t.test('a token server that hangs holds the command up for 10 s', async (t) => {
  const tokens = await startServer(t, () => {})
  const clock = new ManualClock()
  const running = await run(t, node(''), { tokenUrl: tokens.url, clock })
  while (clock.pending === 0) await new Promise(setImmediate)
  await clock.advance(9_900)
  t.equal(running.children.length, 0)
  await clock.advance(100)
  const { ended, stderr } = await started(running)
  t.equal(await ended, 0)
  t.match(stderr(), /^ {2}- no usable token yet$/m)
})

t.test('a proxy that cannot start keeps the command from starting', async (t) => {
  const { outcome, children, stderr } = await run(t, node(''), {
    settings: { SKP_KEY_FILE: 'none.json' },
  })
  t.equal(await outcome, 2)
  t.equal(children.length, 0)
  t.match(stderr(), /cannot start/)
})

t.test('a command that cannot be started has the exit code that shells have for it', async (t) => {
  const folder = t.testdir({ 'not-executable': '' })
  const file = join(folder, 'x')
  const plain = `${folder}/not-executable`
  for (const [name, code, message] of [
    ['no-such-command', 127, /cannot run "no-such-command": there is no such command\n/],
    [file, 127, /there is no such command\n/],
    [plain, 126, /it cannot be executed \(EACCES\)\n/],
    ['', 126, /cannot run "": it cannot be executed \(ERR_INVALID_ARG_VALUE\)\n/],
  ] as const) {
    const signals: unknown[] = []
    const watched: Spawn = (...command) =>
      Object.assign(spawn(...command), { kill: (signal: unknown) => signals.push(signal) > 0 })
    const { ended, forward, stderr } = await started(await run(t, [name], { spawn: watched }))
    forward('SIGTERM')
    t.same(signals, [], 'a process that never was gets no signal: its number may be anybody else')
    t.equal(await ended, code, name)
    t.match(stderr(), message, name)
    t.match(stderr(), /"msg":"stopped"/)
  }
})

const OBEY = `process.on('SIGINT', () => process.exit(5))
process.on('SIGHUP', () => process.exit(6))
setInterval(() => {}, 1000)
console.log('up')`

const up = async (running: Awaited<ReturnType<typeof run>>) => {
  const all = await started(running)
  while (!all.output().includes('up')) await once(all.children[0]?.stdout ?? process, 'data')
  return all
}

t.test('signals go to the command, whose exit code tells what it made of them', async (t) => {
  for (const [signal, code] of [
    ['SIGTERM', 143],
    ['SIGINT', 5],
    ['SIGHUP', 6],
  ] as const) {
    const { ended, forward } = await up(await run(t, node(OBEY)))
    forward(signal)
    t.equal(await ended, code, signal)
  }
})

t.test('at a terminal an interrupt has reached the command already', async (t) => {
  const { ended, forward } = await up(await run(t, node(OBEY), { terminal: true }))
  forward('SIGINT')
  forward('SIGHUP')
  t.equal(await ended, 6)
})

t.test('a signal that the command must not get is told, and changes nothing', async (t) => {
  const child = Object.assign(new ChildProcess(), { pid: 1, kill: () => false })
  const { ended, stderr } = await started(await run(t, ['sudo'], { spawn: () => child }))
  child.emit('error', Object.assign(new Error('canary'), { code: 'EPERM' }))
  t.match(stderr(), /the command got no signal \(EPERM\)\n/)
  child.emit('exit', 0, null)
  t.equal(await ended, 0)
})

t.test('a crash of the proxy ends the command and is logged without secrets', async (t) => {
  const gentle = `process.on('SIGTERM', () => process.exit(0)); ${OBEY}`
  const { stop, flush, stderr, children } = await up(await run(t, node(gentle)))
  const exit = once(children[0] ?? process, 'exit')
  flush()
  await stop(new Error('with canary-secret in it'))
  t.same(await exit, [0, null])
  t.match(stderr(), /"level":"fatal"/)
  t.notMatch(stderr(), /canary/)
})
