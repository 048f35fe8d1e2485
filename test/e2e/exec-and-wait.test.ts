/** `exec` and `wait` as their users have them: processes, signals and exit codes. */
import t from 'tap'
import { freePort } from '../fixtures/free-port.ts'
import { startProgram } from '../fixtures/program.ts'
import { startTokenServer } from '../fixtures/proxy.ts'
import { startServer } from '../fixtures/recording-server.ts'

const api = await startServer(t, (_request, response) => response.end('{"d":{}}'))
const tokens = await startTokenServer(t)
const credentials = {
  entities: api.url,
  url: tokens.url,
  clientid: 'sb-client!b1',
  clientsecret: 'canary',
}
const environment = {
  VCAP_SERVICES: JSON.stringify({ 'integration-assessment': [{ name: 'intas', credentials }] }),
}

const SCRIPT = `process.on('SIGTERM', () => process.exit(9))
fetch(process.env.ENTITIES_URL + '/Vendor')
  .then((answer) => answer.text())
  .then((text) => process.stdout.write(text + (process.argv[1] ?? '') + '\\n'))
if (process.argv[1] === 'stay') setInterval(() => {}, 1000)`

const run = (program: 'built' | 'source', ...args: string[]) =>
  startProgram(t, ['exec', '--', process.execPath, '-e', SCRIPT, ...args], environment, program)

const talked = async ({ stdout }: ReturnType<typeof run>): Promise<void> => {
  while (!stdout().includes('{"d":{}}stay')) await new Promise(setImmediate)
}

t.test('exec hands on output, exit code and signals', async (t) => {
  const short = run('built')
  const long = run('built', 'stay')
  t.equal(await short.ended, 0)
  t.equal(short.stdout(), '{"d":{}}\n')
  t.match(short.stderr(), /"msg":"stopped"/)
  await talked(long)
  long.child.kill('SIGTERM')
  t.equal(await long.ended, 9)
  t.match(long.stderr(), /"msg":"stopping"[^]*"msg":"stopped"/)
})

t.test('from source: a signal that is not forwarded stops both', async (t) => {
  const long = run('source', 'stay')
  const short = run('source')
  t.equal(await short.ended, 0)
  await talked(long)
  long.child.kill('SIGQUIT')
  t.equal(await long.ended, 0)
  t.match(long.stderr(), /"msg":"stopping"[^]*"msg":"stopped"/)
})

t.test('wait ends when the proxy is ready, or with the timeout', async (t) => {
  const port = { PORT: String(await freePort()) }
  const waiting = startProgram(t, ['wait'], port)
  const late = startProgram(t, ['wait', '--timeout', '1ms'], { PORT: '1' }, 'source')
  startProgram(t, [], { ...environment, ...port, SKP_DRAIN_DELAY: '0ms' })
  t.equal(await waiting.ended, 0)
  t.equal(await late.ended, 1)
})
