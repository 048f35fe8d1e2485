/** Record and findings → text for a terminal, and Markdown and a picture for the docs. */
import { format, resolveConfig } from 'prettier'
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { textTable } from '../fixtures/harness.ts'
import { chart } from './chart.ts'
import type { Finding, SoakRecord } from './judgement.ts'
import { BREACHES } from './ledger.ts'
import { percentile } from './watch.ts'

const MAX_SHOWN = 20

const verdictOf = ({ ok }: Finding): string => (ok === undefined ? 'n/a' : ok ? 'ok' : 'FAILED')

export const table = (findings: readonly Finding[]): string => {
  const rows = findings.map((f) => [f.name, f.measured, f.limit, verdictOf(f)])
  return textTable([['', 'measured', 'allowed', ''], ...rows])
}

const median = (values: readonly (number | undefined)[]): string =>
  percentile(
    values.filter((value) => value !== undefined),
    0.5,
  )?.toFixed(0) ?? 'n/a'

const extent = (values: readonly (number | undefined)[]): string => {
  const known = values.filter((value) => value !== undefined)
  return known.length === 0
    ? 'n/a'
    : `${Math.min(...known).toFixed(0)} to ${Math.max(...known).toFixed(0)}`
}

/** The load, in lines. */
export const summary = (record: SoakRecord): readonly string[] => {
  const { minutes, callers, node, requests, writes, applied, faults, rows, tokenRequests } = record
  const seconds = rows.at(-1)?.at ?? 1
  const rate = (requests / seconds).toFixed(0)
  return [
    `${minutes} minutes, ${callers} callers, Node ${node}, ${record.date}`,
    `${requests} requests (${rate} a second), ${writes} of them writes, ${applied} writes carried out`,
    `${faults.length} faults, ${record.rotations} rotations of the key, ${tokenRequests} token requests`,
    `plain reads: p50 ${median(rows.map(({ p50 }) => p50))} ms, p99 ${median(rows.map(({ p99 }) => p99))} ms (medians of the seconds)`,
    `resident ${extent(rows.map(({ resident }) => resident))} MB, heap in use ${extent(rows.map(({ heap }) => heap))} MB, descriptors ${extent(rows.map(({ descriptors }) => descriptors))}`,
  ]
}

/** What callers saw, and what was wrong in detail. */
export const particulars = ({ outcomes, breaches, scrapes, log, stuck }: SoakRecord): string => {
  const seen = outcomes.map(([name, count]) => `  ${name} × ${count}\n`)
  const wrong = breaches
    .slice(0, MAX_SHOWN)
    .map(({ kind, detail }) => `  ${kind} (${BREACHES[kind]}): ${detail}\n`)
  const others = [...scrapes.faults, ...log.alarms, ...stuck.map((name) => `stuck after ${name}`)]
  const rest = others.slice(0, MAX_SHOWN).map((text) => `  ${text}\n`)
  return `what callers saw\n${[...seen, ...wrong, ...rest].join('')}`
}

export const markdown = (record: SoakRecord, findings: readonly Finding[]): string => {
  const rows = findings.map(
    (finding) =>
      `| ${finding.name} | ${finding.measured} | ${finding.limit} | ${verdictOf(finding)} |`,
  )
  return `${summary(record)
    .map((line) => `- ${line}`)
    .join('\n')}

| what | measured | allowed | |
| --- | --- | --- | --- |
${rows.join('\n')}`
}

const PAGE = fileURLToPath(new URL('../../docs/performance.md', import.meta.url))
const CHART = fileURLToPath(new URL('../../docs/soak.svg', import.meta.url))
const SECTION = /<!-- soak -->[^]*<!-- end of soak -->/

/** Into docs/performance.md and docs/soak.svg. */
export const publish = async (record: SoakRecord, findings: readonly Finding[]): Promise<void> => {
  const section = `<!-- soak -->

![Memory, latency and descriptors during the soak](soak.svg)

${markdown(record, findings)}

<!-- end of soak -->`
  const page = readFileSync(PAGE, 'utf8').replace(SECTION, () => section)
  writeFileSync(PAGE, await format(page, { ...(await resolveConfig(PAGE)), parser: 'markdown' }))
  writeFileSync(CHART, chart(record))
}
