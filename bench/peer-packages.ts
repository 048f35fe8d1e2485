/** Installs what the peers need, into bench/node_modules, when it is not there yet. */
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const folder = fileURLToPath(new URL('.', import.meta.url))

const namesOf = (file: string): readonly string[] => {
  const manifest = JSON.parse(readFileSync(file, 'utf8')) as {
    dependencies: Readonly<Record<string, string>>
  }
  return Object.keys(manifest.dependencies)
}

/** @param say told what is going on, because it takes half a minute */
export const installPeers = (say: (text: string) => void): void => {
  const missing = namesOf(`${folder}package.json`).filter(
    (name) => !existsSync(`${folder}node_modules/${name}`),
  )
  if (missing.length === 0) return
  say(`installing the peers into bench/node_modules, once: ${missing.join(', ')} … `)
  const { status, stderr } = spawnSync(
    'npm',
    ['install', '--no-package-lock', '--ignore-scripts', '--no-audit', '--no-fund'],
    { cwd: folder, encoding: 'utf8' },
  )
  if (status !== 0) throw new Error(`npm install failed:\n${stderr}`)
  say('done\n')
}
