/**
 * @sap/approuter with one destination and one route. A destination of the environment cannot hold a
 * token, so the callers of this one bring it; approuter passes it on where no login is asked for.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const { BENCH_UPSTREAM: url, PORT } = process.env
const folder = mkdtempSync(join(tmpdir(), 'bench-approuter-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))
writeFileSync(
  join(folder, 'xs-app.json'),
  JSON.stringify({
    authenticationMethod: 'none',
    routes: [
      {
        source: '^/(.*)$',
        target: '$1',
        destination: 'api',
        authenticationType: 'none',
        csrfProtection: false,
      },
    ],
  }),
)
writeFileSync(join(folder, 'package.json'), '{"name":"bench-approuter","version":"1.0.0"}')
process.env.destinations = JSON.stringify([{ name: 'api', url }])
createRequire(import.meta.url)('@sap/approuter')().start({ port: Number(PORT), workingDir: folder })
