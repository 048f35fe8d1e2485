/** Installs the clients that are npm packages, into this folder, when they are not there yet. */
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const folder = fileURLToPath(new URL('.', import.meta.url))
const manifest = JSON.parse(readFileSync(`${folder}package.json`, 'utf8')) as {
  readonly dependencies: Readonly<Record<string, string>>
}
const missing = Object.keys(manifest.dependencies).filter(
  (name) => !existsSync(`${folder}node_modules/${name}`),
)
if (missing.length > 0) {
  console.log(`installing the clients into test/e2e/clients/node_modules: ${missing.join(', ')}`)
  const { status, stderr } = spawnSync('npm', ['ci', '--ignore-scripts', '--no-audit'], {
    cwd: folder,
    encoding: 'utf8',
    timeout: 300_000,
  })
  if (status !== 0) throw new Error(`npm ci failed:\n${stderr}`)
}
