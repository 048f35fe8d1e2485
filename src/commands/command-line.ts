/** Command line → command and flags, or what is wrong with it. Pure; every setting is a flag too. */
import { parseArgs } from 'node:util'
import { configSchema, flagName } from '../config/config-schema.ts'
import { quotedInput } from '../quoted-input.ts'
import type { Flags } from '../config/load-config.ts'

export type CommandLine =
  | { readonly command: 'serve'; readonly flags: Flags }
  | { readonly command: 'check'; readonly flags: Flags; readonly json: boolean }
  | { readonly command: 'help' }
  | { readonly command: 'version' }
  | { readonly command: 'invalid'; readonly problem: string }

const settingFlags = Object.fromEntries(
  Object.values(configSchema).map(({ env }) => [flagName(env), { type: 'string' as const }]),
)

const options = {
  ...settingFlags,
  json: { type: 'boolean' as const },
  help: { type: 'boolean' as const, short: 'h' },
  version: { type: 'boolean' as const, short: 'V' },
}

const invalid = (problem: string): CommandLine => ({ command: 'invalid', problem })

const commandOf = (
  [command = 'serve', excess]: readonly string[],
  flags: Flags,
  json: boolean,
): CommandLine => {
  if (command !== 'serve' && command !== 'check') {
    return invalid(`unknown command ${quotedInput(command)}`)
  }
  if (excess !== undefined) return invalid(`unexpected argument ${quotedInput(excess)}`)
  if (command === 'check') return { command, flags, json }
  return json ? invalid('--json belongs to the command check') : { command, flags }
}

export const parseCommandLine = (args: readonly string[]): CommandLine => {
  try {
    const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true })
    const { help, version, json = false, ...flags } = values
    if (help === true) return { command: 'help' }
    if (version === true) return { command: 'version' }
    return commandOf(positionals, flags, json)
  } catch (error) {
    return invalid((error as Error).message)
  }
}
