/** `check` ends in time, whatever hangs. */
import t from 'tap'
import { execFileSync, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { systemClock } from '../../src/clock.ts'
import { endApart } from '../../src/commands/apart.ts'
import { PROGRAMS, startProgram } from '../fixtures/program.ts'

const preload = fileURLToPath(new URL('../fixtures/hanging-resolver.mjs', import.meta.url))

const KEY = JSON.stringify({
  entities: 'https://api.example.test/v1',
  url: 'https://tokens.example.test',
  clientid: 'sb-client!b1',
  clientsecret: 'canary-secret',
})

t.test('check ends while the resolver of the system hangs: exit code 11', async (t) => {
  const dir = t.testdir({ 'key.json': KEY })
  execFileSync('mkfifo', [`${dir}/pipe`])
  const environment = { SKP_KEY_FILE: `${dir}/key.json`, PIPE: `${dir}/pipe` }
  const program = ['--import', preload, ...PROGRAMS.built]
  const { ended, stdout, stderr } = startProgram(t, ['check', '--json'], environment, program)
  t.equal(await ended, 11, stderr())
  const { exitCode, steps } = JSON.parse(stdout()) as { exitCode: number; steps: object[] }
  t.equal(exitCode, 11)
  const problem = /cannot be resolved \(no answer in time\)/
  t.match(steps.at(-1), { step: 'connection', problems: [problem, problem] })
})

const ENDS: readonly (readonly [name: string, script: string, code: number])[] = [
  ['has told its code and hangs', 'process.send(14); setInterval(() => {}, 1000)', 14],
  ['has told its code and ends', 'process.exitCode = 12; process.send(12)', 12],
  ['ends without a word', 'process.exit(3)', 3],
  ['is ended from outside', "process.kill(process.pid, 'SIGKILL')", 137],
]

for (const [name, script, code] of ENDS) {
  t.test(`a command that ${name} gives ${code}`, async (t) => {
    const dir = t.testdir({ 'child.mjs': script })
    const child = fork(`${dir}/child.mjs`, { execArgv: [], env: {} })
    t.equal(await endApart(child, systemClock), code)
    t.not(child.exitCode ?? child.signalCode, null, 'and is gone')
  })
}
