/** docs/security.md names tests for its rules: they must be there. */
import t from 'tap'
import { readFileSync } from 'node:fs'

const read = (path: string): string =>
  readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')

const DOCUMENT = read('docs/security.md')

const references = (text: string) =>
  [...text.matchAll(/`(test\/[\w./-]+\.test\.ts): ([^`]+)`/g)].map(([, path = '', title = '']) => ({
    path,
    title,
  }))

t.test('every test that it names exists under that title', async (t) => {
  const named = references(DOCUMENT)
  t.ok(named.length > 40)
  // As in the source, where a title may be cut by formatting but not changed.
  for (const { path, title } of named) t.ok(read(path).includes(title), `${path}: ${title}`)
})

t.test('every pitfall has a test', async (t) => {
  const rows = [...DOCUMENT.matchAll(/^\| (\d+) +\|.*$/gm)]
  t.same(
    rows.map(([, number]) => Number(number)),
    Array.from({ length: 25 }, (_, i) => i + 1),
  )
  for (const [row, number] of rows) {
    t.ok(references(row).length > 0, `pitfall ${number}`)
  }
})
