/** The text of --help, read off the settings. Pure. */
import { configSchema, flagName, type Setting } from '../config/settings.ts'

export const helpText = (): string => `Usage: service-key-proxy [serve] [--setting value]…
       service-key-proxy check [--json] [--setting value]…
       service-key-proxy wait [--timeout 60s] [--setting value]…
       service-key-proxy exec [--setting value]… -- command [argument]…

Reads the service key of a binding, and forwards every request to the API that the
key names, with an access token attached. The command check tells where the key is
looked for and what is found there, connects to both hosts, gets a token and calls
the API with it, and says what is wrong, without any secret and within 15 s. The
command wait ends when the proxy on this machine is ready. The command exec runs a
command with a proxy of its own beside it, on a free port of 127.0.0.1, without an
admin port unless SKP_ADMIN_PORT is set: ENTITIES_URL in its environment says where,
the log goes to standard error, and the exit code is that of the command. Signals
are passed on to it, but for SIGINT at a terminal, which sends it to both itself.

Examples:
  service-key-proxy                                  in an app with a bound service
  service-key-proxy --key-file key.json --port 3000  on a laptop
  service-key-proxy check                            why does it not start?
  curl 'http://localhost:8080/Vendor?$top=5'         what callers do then
  service-key-proxy & service-key-proxy wait         go on when it is ready
  service-key-proxy exec --key-file key.json -- npm test
  service-key-proxy exec -- sh -c 'curl "$ENTITIES_URL/Vendor"'

Every setting is an environment variable and a flag; the flag wins.

${Object.values<Setting<unknown>>(configSchema).map(describe).join('\n')}

Other flags:
  -h, --help      this text
  -V, --version   the version
      --json      of check: one JSON document
      --timeout   of wait: how long at most, such as 90s. Default: 60s.

Colour is for terminals only; NO_COLOR=1 turns it off.

Exit codes: 0 stopped cleanly, 2 configuration invalid, 3 no or ambiguous binding,
4 port in use; of check also 10 key unusable, 11 no connection or unknown host,
12 TLS, 13 credential rejected, 14 no usable token endpoint, 15 the API refuses; of
wait 1 not ready in time; of exec that of the command, 128 and the number of the
signal that ended it, 126 command not executable, 127 no such command.
`

const describe = ({ env, description, default: value, defaultNote, type }: Setting<unknown>) => {
  const fallback = value ?? defaultNote
  const note = fallback === undefined ? '' : ` Default: ${fallback}.`
  return `  --${flagName(env)} <${type.name}>   ${env}\n${wrap(description + note)}`
}

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

const WIDTH = 78

const INDENT = ' '.repeat(6)
