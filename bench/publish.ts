/**
 * `node --import tsx bench/publish.ts <results.json>…`: tables and chart of kept results into
 * docs/performance.md and docs/performance.svg. Results of one version of Node are joined.
 */
import { format, resolveConfig } from 'prettier'
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { chart } from './chart.ts'
import { reachTable } from './reach.ts'
import type { Results } from './results.ts'
import { cpuTable, scenarioTable, startTable } from './tables.ts'

const PAGE = fileURLToPath(new URL('../docs/performance.md', import.meta.url))
const CHART = PAGE.replace(/\.md$/, '.svg')
const SECTION = /<!-- figures -->[^]*<!-- end of figures -->/

/** What several runs have measured; of the peers the longest list. */
const join = (runs: readonly Results[]): Results => {
  const [first] = runs as [Results]
  const most = runs.toSorted((a, b) => b.peers.length - a.peers.length)[0] as Results
  return {
    ...first,
    peers: most.peers,
    scenarios: runs.flatMap(({ scenarios }) => scenarios),
    outcomes: runs.flatMap(({ outcomes }) => outcomes),
    starts: runs.flatMap(({ starts }) => starts),
    setting: [...new Set(runs.flatMap(({ setting }) => setting))],
    renewal: runs.find(({ renewal }) => renewal !== undefined)?.renewal,
  }
}

const details = (results: Results): string => `<details>
<summary>Node ${results.node}: everything that was measured</summary>

${results.setting.join('. ')}.

${results.scenarios.map(({ id }) => scenarioTable(results, id)).join('\n\n')}

</details>`

const section = (all: readonly Results[]): string => {
  const [main] = all as [Results]
  return `<!-- figures -->

## Figures

![CPU per request, by proxy](performance.svg)

CPU µs per request, in brackets ÷ plain \`@fastify/http-proxy\`; CPU seconds per GB for 10 MB. Node ${main.node}, ${main.date}.

${cpuTable(main)}

${startTable(main)}

## What was to be reached

${reachTable(all)}

${all.map(details).join('\n\n')}

<!-- end of figures -->`
}

const files = process.argv.slice(2)
const runs = files.map((file) => JSON.parse(readFileSync(file, 'utf8')) as Results)
const versions = [...new Set(runs.map(({ node }) => node))]
const all = versions.map((version) => join(runs.filter(({ node }) => node === version)))
const page = readFileSync(PAGE, 'utf8').replace(SECTION, () => section(all))
writeFileSync(PAGE, await format(page, { ...(await resolveConfig(PAGE)), parser: 'markdown' }))
const svg = chart(all[0] as Results)
if (svg !== undefined) writeFileSync(CHART, svg)
