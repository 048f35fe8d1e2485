/** The table of CONTRIBUTING.md says what .oxlintrc.json demands of imports, for every folder of src/. */
import t from 'tap'
import { readFileSync, readdirSync } from 'node:fs'

const at = (path: string): URL => new URL(`../${path}`, import.meta.url)

const read = (path: string): string => readFileSync(at(path), 'utf8')

interface ImportRule {
  readonly files: readonly string[]
  /** Patterns of what must not be imported; with `!`, of what may be all the same. */
  readonly group: readonly string[]
  readonly message: string
}

interface Override {
  readonly files: readonly string[]
  readonly rules: {
    readonly 'no-restricted-imports'?: readonly [
      string,
      { readonly patterns: readonly ImportRule[] },
    ]
  }
}

const { overrides } = JSON.parse(read('.oxlintrc.json')) as { overrides: readonly Override[] }

const rules = overrides.flatMap(({ files, rules }) =>
  (rules['no-restricted-imports']?.[1].patterns ?? []).map(({ group, message }) => ({
    files,
    group,
    message,
  })),
)

/** `!../policy/**` → `policy/`; what stands for everything has no name. */
const names = (patterns: readonly string[]): string =>
  patterns
    .map((pattern) => pattern.replace(/^!?(?:(?:src|\*\*|\.\.?)\/)?/, '').replace('**', ''))
    .filter((name) => name !== '')
    .map((name) => `\`${name}\``)
    .join(', ')

/** Of a rule that begins with everything, what is exempt; `**` is packages and modules of Node, too. */
const mayImport = ([first = '', ...others]: readonly string[]): string => {
  if (first === '**') return `${names(others)}; no other module`
  return first === '../**' || first === './**'
    ? names(others)
    : `all but ${names([first, ...others])}`
}

const table = (): readonly (readonly string[])[] => {
  const [, section = ''] = read('CONTRIBUTING.md').split('## Dependency rules')
  const rows = (section.split('\n## ')[0] ?? '')
    .split('\n')
    .filter((line) => line.startsWith('| `'))
  return rows.map((row) => row.split(/ *\| */).slice(1, -1))
}

t.test('every rule of the linter is a row of the table', async (t) => {
  t.same(
    table(),
    rules.map(({ files, group, message }) => [names(files), mayImport(group), message]),
  )
})

t.test('every folder and file of src/ has its rule, but main.ts', async (t) => {
  const sources = readdirSync(at('src'), { withFileTypes: true }).map((entry) =>
    entry.isDirectory() ? `src/${entry.name}/**` : `src/${entry.name}`,
  )
  t.same(
    rules.flatMap(({ files }) => files).toSorted(),
    sources.filter((name) => name !== 'src/main.ts').toSorted(),
  )
})
