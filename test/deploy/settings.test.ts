/** Names in the files of the deployments, held against the tables of the program. */
import t from 'tap'
import { readFileSync, readdirSync } from 'node:fs'
import { configSchema, type Setting } from '../../src/config/settings.ts'
import { valuesTable } from '../../scripts/values-table.ts'

const read = (path: string): string => readFileSync(path, 'utf8')

const filesUnder = (folder: string): readonly string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => `${entry.parentPath}/${entry.name}`)

t.test('manifests and charts use only settings that exist', async (t) => {
  const settings = Object.values<Setting<unknown>>(configSchema).map(({ env }) => env)
  const known = new Set<string>(settings)
  for (const path of [...filesUnder('deploy'), ...filesUnder('helm')]) {
    for (const [name] of read(path).matchAll(/\bSKP_[A-Z0-9_]*[A-Z0-9]\b/g)) {
      t.ok(known.has(name), `${path}: ${name}`)
    }
  }
})

t.test("the chart's README has every value", async (t) => {
  const table = valuesTable(read('helm/service-key-proxy/values.yaml'))
  t.ok(
    read('helm/service-key-proxy/README.md').endsWith(table),
    'node --import tsx scripts/values-table.ts writes it',
  )
})

t.test('the values schema knows every value', async (t) => {
  const { properties } = JSON.parse(read('helm/service-key-proxy/values.schema.json'))
  const names = [
    ...valuesTable(read('helm/service-key-proxy/values.yaml')).matchAll(/^\| `([^`.]+)/gm),
  ]
  for (const [, name] of names) t.ok(name !== undefined && name in properties, String(name))
})
