/**
 * The table of values in the chart's README, made from `values.yaml`: a comment above a value is its
 * description. Run, it writes the README: `node --import tsx scripts/values-table.ts`.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import process from 'node:process'
import { pathToFileURL } from 'node:url'
import { isMap, isScalar, parseDocument, type Pair, type ParsedNode, type YAMLMap } from 'yaml'

const HEADING = '## Values\n'

const sentence = (comment: string | null | undefined): string =>
  (comment ?? '')
    .split(/\n\s*\n/)
    .at(-1)!
    .replaceAll(/\s+/g, ' ')
    .trim()

type Entry = Pair<ParsedNode, ParsedNode | null>

/** An empty map is a value; a map with entries is a group of them. */
const isGroup = (node: ParsedNode | null): node is YAMLMap.Parsed =>
  isMap(node) && node.items.length > 0

const rows = (map: YAMLMap.Parsed, prefix: string): readonly string[] =>
  map.items.flatMap((pair, index) => row(pair, prefix, index === 0 ? map.commentBefore : ''))

const row = ({ key, value }: Entry, prefix: string, above: string | null | undefined) => {
  const name = `${prefix}${isScalar(key) ? String(key.value) : ''}`
  const about = sentence(key.commentBefore ?? above)
  // Whole objects that are passed on as they are, such as security contexts, stay one row.
  const whole = /SecurityContext$|^securityContext$|^resources$|labels$/.test(name)
  if (isGroup(value) && !whole)
    return [...(about ? [`| \`${name}\` | | ${about} |`] : []), ...rows(value, `${name}.`)]
  const text = JSON.stringify(value?.toJSON() ?? null)
  return [`| \`${name}\` | \`${text}\` | ${about.replaceAll('|', String.raw`\|`)} |`]
}

/** @returns the section from its heading to its end */
export const valuesTable = (yaml: string): string => {
  const { contents } = parseDocument(yaml)
  const lines = isGroup(contents) ? rows(contents, '') : []
  return `${HEADING}\n<!-- prettier-ignore -->\n| value | default | meaning |\n| --- | --- | --- |\n${lines.join('\n')}\n`
}

const main = (): void => {
  const path = 'helm/service-key-proxy/README.md'
  const readme = readFileSync(path, 'utf8')
  const kept = readme.slice(0, readme.indexOf(HEADING))
  writeFileSync(
    path,
    kept + valuesTable(readFileSync('helm/service-key-proxy/values.yaml', 'utf8')),
  )
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) main()
