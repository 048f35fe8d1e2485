/** docs/configuration.md, read off the settings. Pure. */
import { configSchema, flagName, type Setting } from '../src/config/settings.ts'

const defaultOf = ({ default: value, defaultNote }: Setting<unknown>): string => {
  if (value !== undefined) return `\`${value}\``
  return defaultNote ?? 'none'
}

const section = (setting: Setting<unknown>): string => `## ${setting.env}

${setting.description}

- Flag: \`--${flagName(setting.env)}\`
- Value: ${setting.type.expects}
- Default: ${defaultOf(setting)}
- Who needs it: ${setting.who}
`

const INTRODUCTION = `# Configuration

<!-- Written by \`npm run docs\` from src/config/settings.ts; a test holds it against that file. -->

Every setting is an environment variable and a flag of the command; the flag wins. An empty variable counts as unset. All problems are told at once, before anything listens, with exit code 2. An \`SKP_\` variable that is no setting is told of in the log. \`.env.example\` has all of them for copying.

Names of others that the program understands:

- \`PORT\`: the port, where \`SKP_PORT\` is unset and the mode is \`service\`
- \`VCAP_SERVICES\`, \`VCAP_SERVICES_FILE_PATH\`: bindings on Cloud Foundry
- \`VCAP_APPLICATION\`: the app in every log line; with it, or with \`KUBERNETES_SERVICE_HOST\`, the default address is \`0.0.0.0\`
- \`CF_INSTANCE_INDEX\`: the instance in every log line
- \`HTTPS_PROXY\`, \`HTTP_PROXY\`, \`NO_PROXY\`, each in lower case as well, which wins: proxies for https and http addresses of the API and the token server, as \`http://user:password@host:port\`, and the names, domains, addresses and networks that are reached without one (\`api.example.com,.internal,10.0.0.0/8\`, \`*\`); loopback always is ([0015](decisions/0015-tunnels-below-the-pool.md))
- \`NODE_EXTRA_CA_CERTS\`: PEM file of certificate authorities to trust
- \`OTEL_EXPORTER_OTLP_ENDPOINT\`: records traces and sends them there, over OTLP/HTTP with JSON; the other \`OTEL_\` variables of the specification for traces count as well
`

/** @returns the whole page as Markdown */
export const configurationPage = (): string =>
  [INTRODUCTION, ...Object.values<Setting<unknown>>(configSchema).map(section)].join('\n')
