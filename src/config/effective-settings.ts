/** Config → what is in effect, as it would be written, for people to read. Secrets stay out. Pure. */
import type { AllowRule } from '../policy/access-policy.ts'
import { configSchema, type Setting } from './settings.ts'
import { loadConfig, type Config } from './load-config.ts'
import type { RouteSetting } from './setting-types.ts'

interface EffectiveSetting {
  readonly name: string
  readonly value: string
  readonly isDefault: boolean
}

/** In the order of the schema. What depends on the platform counts as a default if it is that of none. */
export const effectiveSettings = (config: Config): readonly EffectiveSetting[] => {
  const { config: standard } = loadConfig({})
  return Object.entries<Setting<unknown>>(configSchema).map(([key, setting]) => {
    const value = shown(setting, config[key as keyof Config])
    const isDefault = value === shown(setting, standard[key as keyof Config])
    return { name: setting.env, value, isDefault }
  })
}

const shown = ({ env, type }: Setting<unknown>, value: unknown): string => {
  if (value === undefined) return 'not set'
  if (type.secret === true || WITHHELD.has(env)) return 'set, not shown'
  if (typeof value === 'number') return withUnit(value, type.name)
  return withoutSecrets(Array.isArray(value) ? value.map(written).join(', ') : (value as string))
}

/** May hold a secret without being one by type. */
const WITHHELD: ReadonlySet<string> = new Set(['SKP_TOKEN_PARAMS'])

/** With the largest unit that leaves a whole number. */
const withUnit = (value: number, type: string): string => {
  const [unit, factor] = (UNITS[type] ?? [['', 1] as const]).find(
    ([, factor]) => value !== 0 && value % factor === 0,
  ) ?? [type === 'duration' ? 's' : '', 1]
  return `${value / factor}${unit}`
}

/** A user name, password, query or fragment may be a secret, wherever a URL stands. */
const withoutSecrets = (text: string): string => {
  if (!/^[a-z][a-z\d+.-]*:\/\//i.test(text)) return text
  return text.replace(/\/\/[^/?#]*@/, '//').replace(/[?#].*$/s, '')
}

const written = (item: string | AllowRule | RouteSetting): string => {
  if (typeof item === 'string') return item
  if ('methods' in item) {
    const { methods, segments, open } = item
    return `${methods.join('|')} /${[...segments, ...(open ? ['**'] : [])].join('/')}`
  }
  const { prefix, binding, target } = item
  return `${prefix === '' ? '/' : prefix}=${binding === undefined ? '' : `${binding}:`}${target}`
}

const UNITS: Readonly<Record<string, readonly (readonly [string, number])[]>> = {
  duration: [
    ['h', 3_600_000],
    ['m', 60_000],
    ['s', 1000],
    ['ms', 1],
  ],
  size: [
    ['GB', 1024 ** 3],
    ['MB', 1024 ** 2],
    ['KB', 1024],
    ['B', 1],
  ],
}
