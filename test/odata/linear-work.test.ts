/** However foreign bytes are made and cut, reading and rewriting them takes time in proportion to them. */
import t from 'tap'
import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'

interface Line {
  readonly name: string
  readonly bytes: number
  readonly once: number
  readonly twice: number
}

/** For a byte, in blocks of code: each is some nanoseconds. */
const MOST = { whole: 80, byByte: 400 }

/** What is quadratic has four times the work; what V8 counts differs by its version. */
const MOST_GROWTH = 2.6

t.test('twice the bytes are twice the work', async (t) => {
  const child = spawn(process.execPath, ['--import', 'tsx', 'test/odata/worst-inputs.ts'], {
    cwd: fileURLToPath(new URL('../../', import.meta.url)),
    env: { PATH: process.env['PATH'], _TAPJS_PROCESSINFO_COVERAGE_: '0' },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.teardown(() => child.kill())
  const lines = (await text(child.stdout)).trim().split('\n')
  t.ok(lines.length > 200)
  for (const line of lines) {
    const { name, bytes, once, twice } = JSON.parse(line) as Line
    t.ok(twice < MOST_GROWTH * once, `${name}: ${once} become ${twice}`)
    const most = name.endsWith('byte by byte') ? MOST.byByte : MOST.whole
    t.ok(twice < most * 2 * bytes, `${name}: ${twice / (2 * bytes)} for a byte`)
  }
})
