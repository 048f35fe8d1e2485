/**
 * Environment and flags → one frozen Config, or every problem at once; and back to what is in effect,
 * for people to read. Pure.
 */
import type { HostKind } from '../policy/caller-guard.ts'
import { type RouteSetting, quotedInput } from './setting-types.ts'
import { configSchema, flagName, type Setting, type SettingValues } from './settings.ts'

export type Environment = Readonly<Record<string, string | undefined>>

/** Flags by kebab-case name; they win over the environment. */
export type Flags = Readonly<Record<string, string | undefined>>

export interface Config extends SettingValues {
  readonly port: number
  readonly host: string
  readonly routes: readonly RouteSetting[]
  readonly adminHost: string
  readonly upstreamConnections: number
  readonly allowedHosts: readonly string[]
  /** Of the admin port. */
  readonly adminHosts: readonly string[]
}

interface LoadedConfig {
  /** Settings with a problem have their default here, so that later checks can still run. */
  readonly config: Config
  readonly problems: readonly string[]
  /** Oddities that do not stop the start, such as a misspelt name. */
  readonly warnings: readonly string[]
}

/**
 * @param environment the process environment
 * @param flags command line flags by kebab-case name
 */
export const loadConfig = (environment: Environment, flags: Flags = {}): LoadedConfig => {
  const problems: string[] = []
  const entries = Object.entries(configSchema).map(
    ([name, setting]: [string, Setting<unknown>]) => [
      name,
      valueOf(setting, read(setting, environment, flags), problems),
    ],
  )
  const values = Object.fromEntries(entries) as SettingValues
  if (values.drainTimeout <= values.drainDelay) {
    problems.push('SKP_DRAIN_TIMEOUT: must be longer than SKP_DRAIN_DELAY, which it includes')
  }
  const port = portOf(values, environment, problems)
  checkAdminPort(values, port, problems)
  const isOnPlatform = onPlatform(environment)
  const host = values.host ?? (isOnPlatform && values.mode === 'service' ? '0.0.0.0' : '127.0.0.1')
  const adminHost = values.adminHost ?? (values.mode === 'sidecar' ? '127.0.0.1' : host)
  const config = Object.freeze({
    ...values,
    port,
    host,
    adminHost,
    upstreamConnections: connectionsFor(values),
    routes: values.routes ?? [{ prefix: '', binding: undefined, target: values.target }],
    allowedHosts: values.allowedHosts ?? hostsFor(host, isOnPlatform),
    adminHosts: adminHostsFor(adminHost, isOnPlatform, values),
  })
  return { config, problems, warnings: unknownSettings(environment) }
}

interface EffectiveSetting {
  readonly name: string
  readonly value: string
  readonly isDefault: boolean
}

/**
 * As it would be written, in the order of the schema; secrets stay out. What depends on the platform
 * counts as a default if it is that of none.
 */
export const effectiveSettings = (config: Config): readonly EffectiveSetting[] => {
  const { config: standard } = loadConfig({})
  return Object.entries<Setting<unknown>>(configSchema).map(([key, setting]) => {
    const value = shown(setting, config[key as keyof Config])
    const isDefault = value === shown(setting, standard[key as keyof Config])
    return { name: setting.env, value, isDefault }
  })
}

const valueOf = <T>(
  setting: Setting<T>,
  raw: Raw | undefined,
  problems: string[],
): T | undefined => {
  if (raw !== undefined) {
    const value = setting.type.parse(raw.value)
    if (value !== undefined) return value
    const got = setting.type.secret === true ? '' : `, got ${quotedInput(raw.value)}`
    problems.push(`${raw.source}: expected ${setting.type.expects}${got}`)
  }
  return setting.default === undefined ? undefined : setting.type.parse(setting.default)
}

interface Raw {
  readonly value: string
  /** What the user wrote it as: the variable or the flag. */
  readonly source: string
}

const read = (
  setting: Setting<unknown>,
  environment: Environment,
  flags: Flags,
): Raw | undefined => {
  const flag = flags[flagName(setting.env)]
  if (flag !== undefined) return { value: flag, source: `--${flagName(setting.env)}` }
  const value = environment[setting.env]
  // An empty variable counts as unset: that is how manifests switch a setting off.
  return value === undefined || value === '' ? undefined : { value, source: setting.env }
}

const portOf = (values: SettingValues, environment: Environment, problems: string[]): number => {
  if (values.port !== undefined) return values.port
  if (values.mode === 'sidecar') {
    const refused = problems.some((problem) => /^(SKP_PORT|--port):/.test(problem))
    if (!refused)
      problems.push('SKP_PORT: required when SKP_MODE=sidecar (PORT belongs to the app)')
    return 0
  }
  const raw = environment['PORT']
  const platformPort: Setting<number> = { ...configSchema.port, default: '8080' }
  return valueOf(platformPort, raw ? { value: raw, source: 'PORT' } : undefined, problems) as number
}

const checkAdminPort = ({ adminPort }: SettingValues, port: number, problems: string[]): void => {
  if (port === 0 || port !== adminPort) return
  problems.push(`SKP_ADMIN_PORT: must differ from the port of the proxy, which is ${port} as well`)
}

/** One for each request, unless there are to be fewer. */
const connectionsFor = ({ upstreamConnections, maxInFlight }: SettingValues): number =>
  upstreamConnections ?? maxInFlight

const onPlatform = (environment: Environment): boolean =>
  Boolean(environment['VCAP_APPLICATION'] || environment['KUBERNETES_SERVICE_HOST'])

/**
 * On loopback a browser may be among the callers, and name the proxy as it likes. On all addresses as
 * well, unless there is a router in front: a laptop publishes the port of a container on its loopback.
 */
const hostsFor = (host: string, isOnPlatform: boolean): readonly string[] => {
  const own = new Set(['localhost', '127.0.0.1', '[::1]', host.toLowerCase()])
  if (LOOPBACK.test(host)) return [...own]
  return isOnPlatform ? ['*'] : [...own, ANY_ADDRESS, ANY_BARE_NAME]
}

/** Scrapes and probes come by address, whatever callers name the proxy. */
const adminHostsFor = (
  host: string,
  isOnPlatform: boolean,
  { allowedHosts = [] }: SettingValues,
): readonly string[] => [
  ...hostsFor(host, isOnPlatform),
  ...(LOOPBACK.test(host) ? [ANY_ADDRESS] : allowedHosts),
]

const ANY_ADDRESS: HostKind = 'any address'

const ANY_BARE_NAME: HostKind = 'any name without a dot'

const LOOPBACK = /^(?:localhost|::1|(?:::ffff:)?127\.[\d.]+)$/i

const unknownSettings = (environment: Environment): readonly string[] => {
  const known = new Set<string>(Object.values(configSchema).map((setting) => setting.env))
  return Object.keys(environment)
    .filter((name) => name.startsWith('SKP_') && !known.has(name))
    .map((name) => `${name} is not a setting of this program and has no effect`)
}

const shown = ({ env, type }: Setting<unknown>, value: unknown): string => {
  if (value === undefined) return 'not set'
  if (type.secret === true || WITHHELD.has(env)) return 'set, not shown'
  return withoutSecrets(type.show?.(value) ?? (value as string))
}

/** May hold a secret without being one by type. */
const WITHHELD: ReadonlySet<string> = new Set(['SKP_TOKEN_PARAMS'])

/** A user name, password, query or fragment may be a secret, wherever a URL stands. */
const withoutSecrets = (text: string): string =>
  /^[a-z][a-z\d+.-]*:\/\//i.test(text)
    ? text.replace(/\/\/[^/?#]*@/, '//').replace(/[?#].*$/s, '')
    : text
