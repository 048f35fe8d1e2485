import t from 'tap'
import { nodeAdvisory } from '../src/node-advisory.ts'

const AFFECTED = [
  'v20.19.0',
  'v20.99.9',
  'v21.7.3',
  'v22.23.1',
  'v22.9.9',
  'v23.11.1',
  'v24.18.0',
  'v24.17.9',
  'v25.9.0',
  'v26.5.0',
  'v26.0.0',
]
const FIXED = ['v22.23.2', 'v22.24.0', 'v24.18.1', 'v24.18.10', 'v24.21.0', 'v26.5.1', 'v27.0.0']

for (const version of AFFECTED) {
  t.test(`Node ${version} is told of, and what to do`, async (t) => {
    const told = nodeAdvisory(version) ?? ''
    t.ok(told.startsWith(`Node ${version.slice(1)} loses`))
    t.match(told, /CVE-2026-58044.*update Node to 22\.23\.2, 24\.18\.1, 26\.5\.1/)
  })
}

for (const version of FIXED) {
  t.test(`Node ${version} is not told of`, async (t) => {
    t.equal(nodeAdvisory(version), undefined)
  })
}
