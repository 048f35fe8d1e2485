/** Node's flags stand in the files that different platforms read; all of them are those of `npm start`. */
import t from 'tap'
import { readFileSync } from 'node:fs'
import { startCommand } from '../../scripts/start-command.ts'

const FILES = [
  'Dockerfile',
  'Procfile',
  'src/main.ts',
  'deploy/cloud-foundry/manifest.yml',
  'deploy/cloud-foundry/mta.yaml',
  'deploy/cloud-foundry/sidecar/manifest.yml',
]

const flagsIn = (line: string): readonly string[] => line.match(/--[a-z][a-z\d=-]*/g) ?? []

/** Of the line that starts Node. */
const flagsOf = (file: string): readonly string[] => {
  const lines = readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8').split('\n')
  return flagsIn(lines.find((line) => line.includes('--expose-gc')) ?? '')
}

const wanted = startCommand().filter((arg) => arg.startsWith('--'))

for (const file of FILES) {
  t.test(`${file} starts Node with the flags of npm start`, async (t) => {
    t.ok(wanted.length > 0)
    t.same(flagsOf(file), wanted)
  })
}
