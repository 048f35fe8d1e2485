/** Only loaded files count for the coverage gate, so every module is loaded here. */
import t from 'tap'
import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const SOURCE = fileURLToPath(new URL('../src/', import.meta.url))
/** Runs when loaded; main.test.ts runs it as a process. */
const PROGRAM = 'main.ts'

t.test('every module loads by itself', async (t) => {
  const modules = readdirSync(SOURCE, { recursive: true, encoding: 'utf8' }).filter(
    (path) => path.endsWith('.ts') && path !== PROGRAM,
  )
  t.ok(modules.length > 30)
  for (const path of modules) await t.resolves(import(`${SOURCE}${path}`), path)
})
