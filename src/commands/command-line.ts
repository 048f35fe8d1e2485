/** Command line → command and flags, or what is wrong with it. Pure; every setting is a flag too. */
import { parseArgs } from 'node:util'
import { configSchema, flagName } from '../config/config-schema.ts'
import { quotedInput } from '../quoted-input.ts'
import type { Flags } from '../config/load-config.ts'

export type CommandLine =
  | { readonly command: 'serve'; readonly flags: Flags }
  | { readonly command: 'help' }
  | { readonly command: 'version' }
  | { readonly command: 'invalid'; readonly problem: string }

const settingFlags = Object.fromEntries(
  Object.values(configSchema).map(({ env }) => [flagName(env), { type: 'string' as const }]),
)

const options = {
  ...settingFlags,
  help: { type: 'boolean' as const, short: 'h' },
  version: { type: 'boolean' as const, short: 'V' },
}

export const parseCommandLine = (args: readonly string[]): CommandLine => {
  try {
    const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true })
    const { help, version, ...flags } = values
    if (help === true) return { command: 'help' }
    if (version === true) return { command: 'version' }
    const [command = 'serve', ...rest] = positionals
    if (command !== 'serve')
      return { command: 'invalid', problem: `unknown command ${quotedInput(command)}` }
    return rest.length === 0
      ? { command: 'serve', flags }
      : { command: 'invalid', problem: `unexpected argument ${quotedInput(rest[0] as string)}` }
  } catch (error) {
    return { command: 'invalid', problem: (error as Error).message }
  }
}
