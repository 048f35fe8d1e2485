/** The versions below which known vulnerabilities lie, and one undici for the whole product. */
import t from 'tap'
import { readFileSync } from 'node:fs'

interface Lock {
  readonly packages: Readonly<Record<string, { version: string; dev?: boolean; resolved?: string }>>
}

const lock = JSON.parse(
  readFileSync(new URL('../package-lock.json', import.meta.url), 'utf8'),
) as Lock

const isAtLeast = (version: string, floor: string): boolean =>
  version.localeCompare(floor, 'en', { numeric: true }) >= 0

t.test('advisories are left behind', async (t) => {
  const floors = {
    fastify: '5.12.2',
    '@fastify/http-proxy': '11.6.3',
    '@fastify/reply-from': '12.6.4',
    undici: '7.30.0',
  }
  for (const [name, floor] of Object.entries(floors)) {
    const version = lock.packages[`node_modules/${name}`]?.version ?? 'missing'
    t.ok(isAtLeast(version, floor), `${name} ${version} >= ${floor}`)
  }
})

t.test(
  'undici is in the product once: two of them break instanceof and double memory',
  async (t) => {
    const copies = Object.entries(lock.packages).filter(
      ([path, { dev }]) => path.endsWith('node_modules/undici') && dev !== true,
    )
    t.equal(copies.length, 1)
  },
)

t.test('the lock file names no mirror', async (t) => {
  for (const [path, { resolved }] of Object.entries(lock.packages)) {
    if (resolved !== undefined) t.match(resolved, /^https:\/\/registry\.npmjs\.org\//, path)
  }
  t.pass()
})
