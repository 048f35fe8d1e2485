/**
 * Node's flags stand in the files that different platforms read, and in commands to be copied; all of
 * them are those of `npm start`.
 */
import t from 'tap'
import { readFileSync, readdirSync } from 'node:fs'
import { startFlags } from '../../scripts/start-command.ts'

const at = (path: string): URL => new URL(`../../${path}`, import.meta.url)

const below = (folder: string): readonly string[] =>
  readdirSync(at(folder), { recursive: true, encoding: 'utf8' }).map((path) => `${folder}/${path}`)

/** Each starts Node. */
const STARTING = [
  'Dockerfile',
  'Procfile',
  'src/main.ts',
  'deploy/cloud-foundry/manifest.yml',
  'deploy/cloud-foundry/mta.yaml',
  'deploy/cloud-foundry/sidecar/manifest.yml',
  '.env.example',
  'README.md',
  'docs/cloud-foundry.md',
]

const documents = [
  'CONTRIBUTING.md',
  'SECURITY.md',
  'CHANGELOG.md',
  ...below('docs'),
  ...below('helm'),
]

/** In a command, also as the list of an image's entry point; or in the first line of the program. */
const START = /\bnode(?<flags>(?: --[\w=.-]+)*) \S*service-key-proxy\.mjs/
const FIRST_LINE = /^#!.* node(?<flags>(?: --[\w=.-]+)*)$/

/** The flags of each line that starts the program through Node. */
const startsOf = (file: string): readonly (readonly string[])[] =>
  readFileSync(at(file), 'utf8')
    .split('\n')
    .map((line) => line.replaceAll(/["`,[\] ]+/g, ' '))
    .flatMap((line) => {
      const { groups } = START.exec(line) ?? FIRST_LINE.exec(line) ?? {}
      return groups === undefined ? [] : [groups['flags']?.match(/\S+/g) ?? []]
    })

t.test('whoever starts the program gives Node the flags of npm start', async (t) => {
  const wanted = startFlags()
  t.ok(wanted.length > 0)
  for (const file of STARTING) t.ok(startsOf(file).length > 0, file)
  const pages = documents.filter((file) => file.endsWith('.md') && !STARTING.includes(file))
  for (const file of [...STARTING, ...pages]) {
    for (const flags of startsOf(file)) {
      t.same(
        flags.filter((flag) => !flag.startsWith('--env-file=')),
        wanted,
        file,
      )
    }
  }
})
