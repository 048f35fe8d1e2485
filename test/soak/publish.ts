/** Figures and picture of a soak into docs/performance.md and docs/soak.svg. */
import { format, resolveConfig } from 'prettier'
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { chart } from './chart.ts'
import type { Finding } from './judgement.ts'
import type { SoakRecord } from './record.ts'
import { markdown } from './report.ts'

const PAGE = fileURLToPath(new URL('../../docs/performance.md', import.meta.url))
const CHART = fileURLToPath(new URL('../../docs/soak.svg', import.meta.url))
const SECTION = /<!-- soak -->[^]*<!-- end of soak -->/

const section = (record: SoakRecord, findings: readonly Finding[]): string => `<!-- soak -->

![Memory, latency and descriptors during the soak](soak.svg)

${markdown(record, findings)}

<!-- end of soak -->`

export const publish = async (record: SoakRecord, findings: readonly Finding[]): Promise<void> => {
  const page = readFileSync(PAGE, 'utf8').replace(SECTION, () => section(record, findings))
  writeFileSync(PAGE, await format(page, { ...(await resolveConfig(PAGE)), parser: 'markdown' }))
  writeFileSync(CHART, chart(record))
}
