/** `npm run demo` as its users run it: what it prints is what works. */
import t from 'tap'
import { spawn, execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const run = promisify(execFile)

t.test('prints curl lines that work, and stops cleanly on Ctrl-C', async (t) => {
  const demo = spawn(process.execPath, ['--import', 'tsx', 'demo/main.ts'], {
    cwd: ROOT,
    env: { PATH: process.env['PATH'], _TAPJS_PROCESSINFO_COVERAGE_: '0' },
  })
  t.teardown(() => demo.kill('SIGKILL'))
  const ended = new Promise<number | null>((resolve) => demo.once('close', resolve))
  let output = ''
  await new Promise<void>((resolve, reject) => {
    demo.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      output += chunk
      if (output.includes('Ctrl-C stops everything.')) resolve()
    })
    demo.stderr.setEncoding('utf8').on('data', (chunk: string) => (output += chunk))
    void ended.then(() => reject(new Error(output)))
  })
  const commands = output.split('\n').filter((line) => line.startsWith('    curl '))
  t.equal(commands.length, 3)
  const answers = await Promise.all(
    commands.map(async (command) => (await run('sh', ['-c', `${command} -sS`])).stdout),
  )
  const parsed = answers.map((answer) => JSON.parse(answer) as { d: unknown })
  t.match(parsed, [
    { d: { results: Array } },
    { d: { results: [{ Vendor: { Name: String }, ApplicationInstances: { results: Array } }] } },
    { d: { Name: 'My Application', Id: String } },
  ])
  demo.kill('SIGINT')
  demo.kill('SIGINT')
  t.equal(await ended, 0)
  t.match(output, /Stopping\.\n/)
})
