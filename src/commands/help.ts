/** The text of --help, read off the settings. Pure. */
import { configSchema, flagName, type Setting } from '../config/config-schema.ts'

const WIDTH = 78
const INDENT = ' '.repeat(6)

const wrap = (text: string): string => {
  const lines: string[] = []
  for (const word of text.replaceAll('`', '').split(' ')) {
    const last = lines.at(-1)
    if (last !== undefined && last.length + word.length < WIDTH)
      lines.push(`${lines.pop()} ${word}`)
    else lines.push(INDENT + word)
  }
  return lines.join('\n')
}

const describe = ({ env, description, default: value, defaultNote, type }: Setting<unknown>) => {
  const fallback = value ?? defaultNote
  const note = fallback === undefined ? '' : ` Default: ${fallback}.`
  return `  --${flagName(env)} <${type.name}>   ${env}\n${wrap(description + note)}`
}

export const helpText = (): string => `Usage: service-key-proxy [serve] [--setting value]…
       service-key-proxy check [--json] [--setting value]…

Reads the service key of a binding, and forwards every request to the API that the
key names, with an access token attached. The command check tells where the key is
looked for, what is found there and what is wrong with it, without any secret.

Examples:
  service-key-proxy                                  in an app with a bound service
  service-key-proxy --key-file key.json --port 3000  on a laptop
  service-key-proxy check                            why does it not start?
  curl 'http://localhost:8080/Vendor?$top=5'         what callers do then

Every setting is an environment variable and a flag; the flag wins.

${Object.values<Setting<unknown>>(configSchema).map(describe).join('\n')}

Other flags:
  -h, --help      this text
  -V, --version   the version
      --json      of check: one JSON document

Exit codes: 0 stopped cleanly, 2 configuration invalid, 3 no or ambiguous binding,
4 port in use; of check also 10 key unusable.
`
