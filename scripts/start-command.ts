/** How the built program is started, for the tools that start it: as users do. */
import { readFileSync } from 'node:fs'
import process from 'node:process'
import { fileURLToPath } from 'node:url'

const pathOf = (file: string): string => fileURLToPath(new URL(`../${file}`, import.meta.url))

/** Flags and file as `npm start` has them, with this Node. */
export const startCommand = (): readonly [node: string, ...args: string[]] => {
  const manifest = JSON.parse(readFileSync(pathOf('package.json'), 'utf8')) as {
    scripts: { start: string }
  }
  const args = manifest.scripts.start.replace(/^(?:exec )?node /, '').split(' ')
  return [process.execPath, ...args.map((arg) => (arg.startsWith('-') ? arg : pathOf(arg)))]
}
