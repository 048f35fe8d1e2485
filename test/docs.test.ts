/** Documents that can drift from the code, held against it. */
import t from 'tap'
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { configurationPage } from '../scripts/configuration-page.ts'
import { EXIT } from '../src/commands/process.ts'
import { helpText } from '../src/commands/help.ts'
import { configSchema, type Setting } from '../src/config/settings.ts'
import { ERROR_CODES, errorEntry } from '../src/errors.ts'

const at = (path: string): URL => new URL(`../${path}`, import.meta.url)

const read = (path: string): string => readFileSync(at(path), 'utf8')

const settings = Object.values<Setting<unknown>>(configSchema)

t.test('every error code has its section, with its status', async (t) => {
  const sections = read('docs/errors.md').split(/^## /m).slice(1)
  t.same(
    sections.map((section) => section.split('\n', 1)[0]),
    ERROR_CODES,
  )
  for (const [index, code] of ERROR_CODES.entries()) {
    const section = sections[index] ?? ''
    const { status, origin } = errorEntry(code)
    t.ok(section.includes(`\n${status}, origin \`${origin}\``), code)
    t.match(section, /\*\*Cause\.\*\*/, code)
  }
})

t.test('.env.example has every setting with its description and default', async (t) => {
  const blocks = settings.map(({ env, description, default: value, defaultNote }) => {
    const note = defaultNote === undefined ? '' : `# Default: ${defaultNote}.\n`
    return `# ${description}\n${note}# ${env}=${value ?? ''}\n`
  })
  t.ok(read('.env.example').endsWith(`\n${blocks.join('\n')}`))
})

t.test('docs/configuration.md is what `npm run docs` writes', async (t) => {
  t.equal(read('docs/configuration.md'), configurationPage())
})

t.test('documents name only settings that exist', async (t) => {
  const known = new Set<string>(settings.map(({ env }) => env))
  const documents = readdirSync(at('docs'), { recursive: true, encoding: 'utf8' }).filter((path) =>
    path.endsWith('.md'),
  )
  for (const path of ['README.md', 'SECURITY.md', ...documents.map((name) => `docs/${name}`)]) {
    const text = read(path)
    // A record that was replaced tells of what there was.
    if (/^Replaced by \[/m.test(text)) continue
    for (const [name] of text.matchAll(/\bSKP_[A-Z0-9_]*[A-Z0-9]\b/g)) {
      t.ok(known.has(name), `${path}: ${name}`)
    }
  }
})

t.test('the README begins with the two commands that CI runs', async (t) => {
  t.match(read('README.md'), /npm ci && npm run demo.*\nnpm ci && npm test/)
  t.match(read('.ci/run'), /npm ci && npm test/)
})

t.test('the run book has the exit codes of check, and the help text too', async (t) => {
  const [, section = ''] = read('docs/operations.md').split('## What `check` ends with')
  const rows = [...(section.split('\n## ')[0] ?? '').matchAll(/^\| (\d+) +\|/gm)]
  const { configuration, unbound, key, connection, tls, credential, tokenEndpoint, api } = EXIT
  t.same(
    rows.map(([, code]) => Number(code)),
    [configuration, unbound, key, connection, tls, credential, tokenEndpoint, api],
  )
  const help = helpText()
  for (const code of new Set(Object.values(EXIT)))
    t.match(help, new RegExp(`\\b${code} `), `${code}`)
})

t.test('every file and folder that documents name is there', async (t) => {
  const pages = readdirSync(at('docs')).filter((name) => name.endsWith('.md'))
  const documents = [
    'README.md',
    'CONTRIBUTING.md',
    'SECURITY.md',
    ...pages.map((name) => `docs/${name}`),
  ]
  const named = documents.flatMap((document) =>
    [...read(document).matchAll(PATH)].map(([path]) => ({ document, path })),
  )
  t.ok(named.length > 100)
  for (const { document, path } of named) t.ok(existsSync(at(path)), `${document}: ${path}`)
})

/** From the root; `bench/node_modules` is made by the first run of the benchmark. */
const PATH =
  /(?<![\w./@-])(?:src|test|scripts|docs|deploy|helm|demo|bench(?!\/node_modules))\/[\w./-]*\w/g

t.test('every file and folder that the architecture page names is there', async (t) => {
  const page = read('docs/architecture.md')
  const spans = [...page.matchAll(/`([^`\n]+)`/g)].map(([, span = '']) => span)
  const files = spans.filter((span) => /^(?!dist\/)[\w/-]+(?:\.ts|\/)$/.test(span))
  t.ok(files.length > 60)
  for (const file of files) t.ok(existsSync(at(`src/${file}`)) || existsSync(at(file)), file)
  const ways = spans.filter((span) => span.includes(' → '))
  t.equal(ways.length, 2)
  for (const way of ways) {
    let room = ''
    for (const step of way.replace(/ → out$/, '').split(' → ')) {
      const places = [step, `${step}.ts`, `${room}/${step}.ts`]
      t.ok(
        places.some((place) => existsSync(at(`src/${place}`))),
        step,
      )
      room = step.split('/', 1)[0] as string
    }
  }
})
