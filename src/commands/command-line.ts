/** Command line → command and flags, or what is wrong with it. Pure; every setting is a flag too. */
import { parseArgs } from 'node:util'
import { configSchema, flagName } from '../config/settings.ts'
import { quotedInput, timeLimit } from '../config/setting-types.ts'
import type { Flags } from '../config/load-config.ts'

type CommandLine =
  | { readonly command: 'serve'; readonly flags: Flags }
  | { readonly command: 'check'; readonly flags: Flags; readonly json: boolean }
  /** The timeout in ms. */
  | { readonly command: 'wait'; readonly flags: Flags; readonly timeout: number }
  /** `run`: a file and its arguments. */
  | {
      readonly command: 'exec'
      readonly flags: Flags
      readonly run: readonly [string, ...string[]]
    }
  | { readonly command: 'help' }
  | { readonly command: 'version' }
  | { readonly command: 'invalid'; readonly problem: string }

export const parseCommandLine = (line: readonly string[]): CommandLine => {
  const end = line.indexOf('--')
  const args = end < 0 ? [...line] : line.slice(0, end)
  const run = end < 0 ? undefined : line.slice(end + 1)
  try {
    const { values, positionals } = parseArgs({ args, options, allowPositionals: true })
    const { help, version, json = false, timeout, ...flags } = values
    if (help === true) return { command: 'help' }
    if (version === true) return { command: 'version' }
    return commandOf(positionals, flags, { json, timeout, run })
  } catch (error) {
    // What follows is about arguments that begin with a dash, of which there are none here.
    return invalid((error as Error).message.replace(/\. To specify .*$/s, ''))
  }
}

const settingFlags = Object.fromEntries(
  Object.values(configSchema).map(({ env }) => [flagName(env), { type: 'string' as const }]),
)

const options = {
  ...settingFlags,
  json: { type: 'boolean' as const },
  timeout: { type: 'string' as const },
  help: { type: 'boolean' as const, short: 'h' },
  version: { type: 'boolean' as const, short: 'V' },
}

const commandOf = (
  [command = 'serve', excess]: readonly string[],
  flags: Flags,
  own: Own,
): CommandLine => {
  if (!isCommand(command)) return invalid(`unknown command ${quotedInput(command)}`)
  if (excess !== undefined) {
    const hint = command === 'exec' ? '; the command to run goes after --' : ''
    return invalid(`unexpected argument ${quotedInput(excess)}${hint}`)
  }
  const problem = misplaced(command, own)
  return problem === undefined ? COMMANDS[command](flags, own) : invalid(problem)
}

const invalid = (problem: string): CommandLine => ({ command: 'invalid', problem })

/** What belongs to one command only. */
interface Own {
  readonly json: boolean
  readonly timeout: string | undefined
  /** What follows `--`. */
  readonly run: readonly string[] | undefined
}

const isCommand = (name: string): name is keyof typeof COMMANDS => Object.hasOwn(COMMANDS, name)

const misplaced = (command: string, { json, timeout, run }: Own): string | undefined => {
  if (json && command !== 'check') return '--json belongs to the command check'
  if (timeout !== undefined && command !== 'wait') return '--timeout belongs to the command wait'
  return run !== undefined && command !== 'exec' ? '-- belongs to the command exec' : undefined
}

const COMMANDS = {
  serve: (flags: Flags): CommandLine => ({ command: 'serve', flags }),
  check: (flags: Flags, { json }: Own): CommandLine => ({ command: 'check', flags, json }),
  wait(flags: Flags, { timeout: text = DEFAULT_TIMEOUT }: Own): CommandLine {
    const timeout = timeLimit.parse(text)
    return timeout === undefined
      ? invalid(`--timeout: expected ${timeLimit.expects}, got ${quotedInput(text)}`)
      : { command: 'wait', flags, timeout }
  },
  exec(flags: Flags, { run: [file, ...args] = [] }: Own): CommandLine {
    return file === undefined
      ? invalid('exec needs a command, as in: service-key-proxy exec -- npm start')
      : { command: 'exec', flags, run: [file, ...args] }
  },
}

const DEFAULT_TIMEOUT = '60s'
