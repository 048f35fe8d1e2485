/** How the built program is started, for the tools that start it: as users do. */
import { readFileSync } from 'node:fs'
import process from 'node:process'
import { fileURLToPath } from 'node:url'

const pathOf = (file: string): string => fileURLToPath(new URL(`../${file}`, import.meta.url))

const startArguments = (): string[] => {
  const manifest = JSON.parse(readFileSync(pathOf('package.json'), 'utf8')) as {
    scripts: { start: string }
  }
  return manifest.scripts.start.replace(/^(?:exec )?node /, '').split(' ')
}

/** The flags of Node that `npm start` has. */
export const startFlags = (): readonly string[] =>
  startArguments().filter((arg) => arg.startsWith('-'))

/** Flags and file as `npm start` has them, with this Node. */
export const startCommand = (): readonly [node: string, ...args: string[]] => {
  const files = startArguments().filter((arg) => !arg.startsWith('-'))
  return [process.execPath, ...startFlags(), ...files.map(pathOf)]
}
